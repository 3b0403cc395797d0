-- Lines from the bytes of pages: those of a period that move a balance or end a call, and before and after it what pools
-- paid as long as their fees go (`wide`). Columns are named one by one: guessed types fail on a field that is absent in
-- every line, and no money may pass through a double.
create temp table {table} as
select *, ts >= $since and ts < $until as reported
from read_json(
    '{source}',
    format = 'newline_delimited',
    columns = {
        type: 'VARCHAR', seq: 'BIGINT', ts: 'VARCHAR', id: 'VARCHAR', n: 'INTEGER', final: 'BOOLEAN',
        key: 'VARCHAR', model_asked: 'VARCHAR', route: 'VARCHAR', balance: 'VARCHAR', class: 'VARCHAR',
        task: 'VARCHAR', agent: 'VARCHAR', upstream: 'VARCHAR', upstream_model: 'VARCHAR',
        tier_served: 'VARCHAR', outcome: 'VARCHAR', reason: 'VARCHAR',
        charge: 'DECIMAL(38,12)', unit: 'VARCHAR', list: 'DECIMAL(38,12)', list_unit: 'VARCHAR',
        saving: 'DECIMAL(38,12)', certainty: 'VARCHAR', usage: 'STRUCT({usage})', usage_source: 'VARCHAR',
        iterations: 'STRUCT(usage STRUCT({usage}))[]', flags: 'VARCHAR[]',
        card: 'STRUCT(unit VARCHAR, fx VARCHAR)',
        corrects: 'VARCHAR', amount: 'DECIMAL(38,12)', paid: 'VARCHAR', fee: 'VARCHAR'
    }
)
where {which};
