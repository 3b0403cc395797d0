-- What moved balances and was no call. A pool's fee moves nothing: it is shared over calls.
select balance, reason, unit, amount, paid, fee
from lines
where type = 'adjusted' and reported and corrects is null and amount <> 0
order by seq;
