-- One row a candidate: how its attempts ended, and how long the first byte of complete replies took.
select
    route, upstream_model, arg_max(upstream, seq), arg_max(balance, seq),
    count(*), count(*) filter (outcome = 'ok'),
    count(*) filter (word in (select unnest($ours))),
    count(*) filter (role = 'retry'), count(*) filter (role = 'fallback'),
    quantile_disc(first_byte_ms, 0.5) filter (outcome = 'ok'),
    quantile_disc(first_byte_ms, 0.95) filter (outcome = 'ok')
from attempts
group by all
order by all;
