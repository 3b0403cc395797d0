-- What each correction adds to the saving. It was reckoned outside: a conversion divides, and SQL never divides money.
create temp table savings as
select unnest($seq::bigint[]) as seq, unnest($saving::varchar[])::decimal(38,12) as saving;
