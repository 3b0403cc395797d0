-- Each correction of a call with the attempt that it is about: the call's last on that balance, else its last.
create temp table corrections as
select
    made.seq, made.ts, made.balance, -made.amount as charge, made.unit, made.corrects,
    paid.seq as paid_seq, paid.unit as paid_unit, paid.charge as paid_charge,
    paid.list, paid.list_unit, paid.saving, paid.certainty, paid.usage_source, paid.card,
    paid.key, paid.model_asked, paid.route, paid.class, paid.task, paid.agent, paid.upstream, paid.upstream_model,
    paid.tier_served, paid.outcome
from lines as made
left join (select * from lines union all by name select * from before) as paid
    on paid.type = 'settled' and paid.id = made.corrects
where made.type = 'adjusted' and made.reported and made.corrects is not null
qualify row_number() over (partition by made.seq order by (paid.balance = made.balance) desc, paid.seq desc) = 1;
