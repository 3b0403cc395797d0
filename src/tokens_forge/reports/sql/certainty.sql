-- How sure the charges of each group are.
select {groups}, spent.certainty, sum(charge)
from spent
group by {groups}, spent.certainty;
