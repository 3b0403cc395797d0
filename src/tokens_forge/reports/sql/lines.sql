-- Lines from the bytes of pages: those of a period that move a balance or end a call, and before and after it what pools
-- paid as long as their fees go (`wide`). Columns are named one by one: guessed types fail on a field that is absent in
-- every line, and no money may pass through a double. An amount is taken as it is written, so that one which is none is
-- `bad` and fails nothing; so is a line that is none of ours. Whatever is bad is looked at again, one by one (`sift.py`).
create temp table {table} as
select
    * replace (
        try_cast(trim(charge, '"') as decimal(38, 12)) as charge, try_cast(trim(list, '"') as decimal(38, 12)) as list,
        try_cast(trim(saving, '"') as decimal(38, 12)) as saving, try_cast(trim(amount, '"') as decimal(38, 12)) as amount
    ),
    ts >= $since and ts < $until as reported,
    not coalesce(
        {is_line}
        and (charge is null or regexp_full_match(charge, $amount_form))
        and (list is null or regexp_full_match(list, $amount_form))
        and (saving is null or regexp_full_match(saving, $amount_form))
        and (amount is null or regexp_full_match(amount, $amount_form))
        and (hold is null or regexp_full_match(hold, $amount_form))
        and (total_ms is null or regexp_full_match(total_ms, $span_form))
        and (unit is null or regexp_full_match(unit, $unit_form))
        and (paid is null or regexp_full_match(paid, $priced_form))
        and (fee is null or regexp_full_match(fee, $priced_form))
        and case type
            when 'settled' then
                id || route || balance || unit || outcome || certainty || usage_source is not null
                and charge is not null and usage is not null and charge not like '"-%' and certainty in ({certainties})
            when 'adjusted' then balance || unit || reason is not null and amount is not null
            when 'refused' then id || reason is not null
            else id || outcome is not null
        end
        and {are_counts},
        false
    ) as bad
from read_json(
    '{source}',
    format = 'newline_delimited',
    columns = {
        type: 'VARCHAR', seq: 'BIGINT', ts: 'VARCHAR', id: 'VARCHAR', n: 'BIGINT', final: 'BOOLEAN',
        key: 'VARCHAR', model_asked: 'VARCHAR', route: 'VARCHAR', balance: 'VARCHAR', class: 'VARCHAR',
        task: 'VARCHAR', agent: 'VARCHAR', upstream: 'VARCHAR', upstream_model: 'VARCHAR',
        tier_served: 'VARCHAR', outcome: 'VARCHAR', reason: 'VARCHAR',
        charge: 'JSON', unit: 'VARCHAR', list: 'JSON', list_unit: 'VARCHAR',
        saving: 'JSON', certainty: 'VARCHAR', usage: 'STRUCT({usage})', usage_source: 'VARCHAR',
        iterations: 'STRUCT(usage STRUCT({usage}), model VARCHAR, card STRUCT(id VARCHAR))[]', flags: 'VARCHAR[]',
        card: 'STRUCT(unit VARCHAR, fx VARCHAR)',
        hold: 'JSON', total_ms: 'JSON', corrects: 'VARCHAR', amount: 'JSON', paid: 'VARCHAR', fee: 'VARCHAR'
    }
)
where {which} or not coalesce({is_line}, false);
