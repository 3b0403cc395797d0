-- Why charges are estimates or lack something, by the candidate and the tier that was served: how many calls, and what
-- they were charged. A call with several reasons is in several rows. Of the flags some are about no estimate.
-- Work beside a reply that has no price is named by the models that did it. Corrections have no flags of their own.
select unit, flag, route, upstream_model, tier, count(distinct id), sum(charge)
from (
    select
        unit, unnest([one for one in flags if one <> 'unpriced_iteration']) as flag, route, upstream_model, tier, id,
        charge
    from spent
    union all
    select unit, outcome, route, upstream_model, tier, id, charge
    from spent
    where certainty = 'estimated' and id is not null and outcome in $outcomes
    union all
    select unit, 'estimated', route, upstream_model, tier, id, charge
    from spent
    where
        certainty = 'estimated' and id is not null and outcome not in $outcomes
        and not coalesce(
            list_bool_or([one in $reasons or starts_with(one, 'guessed_') for one in flags]), false
        )
    union all
    select unit, 'unpriced_iteration', route, model, '', id, charge
    from (
        select
            unit, route, id, charge,
            unnest(list_distinct([one.model for one in iterations if one.card is null])) as model
        from spent
        where list_contains(flags, 'unpriced_iteration')
    )
) as odd
group by all
order by all;
