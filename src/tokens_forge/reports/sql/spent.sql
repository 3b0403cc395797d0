-- What was spent, one row an attempt, and one a correction. The latter has no id, so that it is no call.
create temp table spent as
with
    corrected as (select distinct paid_seq, certainty, saving from corrections),
    rows as (
        select
            id, lines.seq, ts, key, model_asked, route, balance, class, task, agent, upstream, upstream_model,
            tier_served, outcome, charge, unit, list, list_unit,
            case when corrected.paid_seq is null then lines.saving else corrected.saving end as saving,
            coalesce(corrected.certainty, lines.certainty) as certainty, usage, iterations, flags
        from lines left join corrected on lines.seq = corrected.paid_seq
        where type = 'settled' and reported
        union all by name
        select
            corrections.* exclude (corrects, paid_seq, paid_unit, paid_charge, usage_source, card, list, saving),
            case when list is not null then 0 end as list,
            savings.saving
        from corrections join savings using (seq)
    )
select
    id, seq, ts, coalesce(key, '') as key, coalesce(model_asked, '') as model, coalesce(route, '') as route, balance,
    coalesce(class, '') as class, coalesce(task, '') as task, coalesce(agent, '') as agent,
    coalesce(upstream, '') as upstream, coalesce(upstream_model, '') as upstream_model,
    coalesce(tier_served, '') as tier, outcome,
    charge, unit, list, coalesce(list_unit, '') as list_unit, saving, certainty, usage, iterations, flags,
    seq in (select seq from shares) as shared
from rows;
