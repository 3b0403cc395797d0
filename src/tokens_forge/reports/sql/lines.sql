-- The lines of a period that move money or end a call, from the bytes of pages. Columns are named one by one: guessed
-- types fail on a field that is absent in every line, and no money may pass through a double.
create temp table lines as
select *
from read_json(
    '{source}',
    format = 'newline_delimited',
    columns = {
        type: 'VARCHAR', ts: 'VARCHAR', id: 'VARCHAR', n: 'INTEGER',
        key: 'VARCHAR', model_asked: 'VARCHAR', route: 'VARCHAR', balance: 'VARCHAR', class: 'VARCHAR',
        task: 'VARCHAR', agent: 'VARCHAR', upstream: 'VARCHAR', upstream_model: 'VARCHAR',
        charge: 'DECIMAL(38,12)', unit: 'VARCHAR', list: 'DECIMAL(38,12)', list_unit: 'VARCHAR',
        saving: 'DECIMAL(38,12)', certainty: 'VARCHAR', usage: 'STRUCT({usage})',
        corrects: 'VARCHAR', amount: 'VARCHAR'
    }
)
where ts >= $since and ts < $until
    and (type in ('settled', 'refused') or (type = 'adjusted' and corrects is not null));
