-- Earlier names and the lines in which they mean what has another name now.
create temp table earlier as
select
    unnest($scope) as scope, unnest($was) as was, unnest($after)::bigint as after, unnest($before)::bigint as before,
    unnest($name) as name;
