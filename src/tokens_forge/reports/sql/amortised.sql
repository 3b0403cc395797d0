-- The shares of pools' fees of each group, by the fees' unit.
select {groups}, shares.fee_unit, sum(shares.share)
from spent join shares using (seq)
group by {groups}, shares.fee_unit;
