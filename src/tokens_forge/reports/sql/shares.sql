-- Each attempt's part of its pool's fees; of several fees where their periods overlap.
create temp table shares as
select
    unnest($seq::bigint[]) as seq, unnest($share::varchar[])::decimal(38,12) as share,
    unnest($unit::varchar[]) as fee_unit;
