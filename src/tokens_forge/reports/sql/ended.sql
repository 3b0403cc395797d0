-- Calls that ended without an answer that cost something: refused here, or their last attempt voided.
select type, coalesce(reason, outcome), count(distinct id)
from lines
where reported and (type = 'refused' or (type = 'voided' and final))
group by all
order by all;
