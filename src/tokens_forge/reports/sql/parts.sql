-- Each attempt's hour, day or month: the last one that begins at or before it. Stamps compare as times do.
create or replace temp table spent as
select spent.*, parts.label as "{part}"
from spent asof join (select unnest($since) as since, unnest($label) as label) as parts on spent.ts >= parts.since;
