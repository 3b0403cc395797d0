-- How sure the charges of each group are.
select {groups}, certainty, sum(charge)
from spent
group by {groups}, certainty;
