-- What was spent, one row an attempt. Corrections are added to it as rows without an id, so that they are no calls.
create temp table spent as
select
    id, ts, coalesce(key, '') as key, coalesce(model_asked, '') as model, coalesce(route, '') as route, balance,
    coalesce(class, '') as class, coalesce(task, '') as task, coalesce(agent, '') as agent,
    coalesce(upstream, '') as upstream, coalesce(upstream_model, '') as upstream_model,
    charge, unit, list, coalesce(list_unit, '') as list_unit, saving, certainty, usage
from lines
where type = 'settled';
