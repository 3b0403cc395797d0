-- Names that changed later: a line is what its balance, route or key is called now.
update {table}
set "{scope}" = earlier.name
from earlier
where earlier.scope = '{scope}'
    and {table}."{scope}" = earlier.was
    and {table}.seq > earlier.after
    and {table}.seq < earlier.before;
