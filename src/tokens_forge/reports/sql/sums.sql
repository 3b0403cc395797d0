-- Sums by group. A list price or a saving that is not known for every row of a group is not known for the group.
select
    {groups},
    count(distinct id),
    sum(charge),
    case when count(list) = count(*) then sum(list) end,
    case when count(saving) = count(*) then sum(saving) end,
    count(distinct id) filter (certainty = 'unpriced'),
    count(distinct id) filter (list is null),
    count(distinct id) filter (not shared),
    {usage}
from spent
group by {groups};
