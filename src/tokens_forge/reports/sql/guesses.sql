-- What was odd about charges, by the candidate and the tier that was served: how many calls, and what they were charged.
-- Corrections have no flags of their own.
select unit, flag, route, upstream_model, tier, count(distinct id), sum(charge)
from (select unit, unnest(flags) as flag, route, upstream_model, tier, id, charge from spent where flags is not null)
group by all
order by all;
