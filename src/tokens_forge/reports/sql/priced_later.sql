-- A call without a price that was corrected since, and not back again, has one: as sure as its usage. Its list price
-- tells what it saved only in its own unit, as no exchange rate was frozen for it.
update corrections
set
    certainty = case usage_source when 'reported' then 'computed' else 'estimated' end,
    saving = case when list_unit = paid_unit then list - paid_charge end
where certainty = 'unpriced'
    and paid_seq in (select paid_seq from corrections group by paid_seq having sum(charge) <> 0);
