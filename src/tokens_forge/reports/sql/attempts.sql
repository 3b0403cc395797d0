-- Attempts that ended in a period. Columns are named one by one, as a guessed type fails on a field that no line has.
-- A line that is none of ours is `bad`, and is looked at again (`sift.py`).
create temp table attempts as
select
    seq, role, route, upstream, upstream_model, balance, outcome, coalesce(error, outcome) as word, first_byte_ms,
    not coalesce({is_line} and role || route || upstream || upstream_model || balance || outcome is not null, false) as bad
from read_json(
    '{source}',
    format = 'newline_delimited',
    columns = {
        type: 'VARCHAR', seq: 'BIGINT', ts: 'VARCHAR', role: 'VARCHAR', route: 'VARCHAR', upstream: 'VARCHAR',
        upstream_model: 'VARCHAR', balance: 'VARCHAR', outcome: 'VARCHAR', error: 'VARCHAR', first_byte_ms: 'DOUBLE'
    }
)
where ts >= $since and ts < $until and type in ('settled', 'voided') or not coalesce({is_line}, false);
