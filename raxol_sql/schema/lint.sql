-- What can be said of the tables of a database by good practice. Tables of tools that keep books on
-- the database itself, yoyo's and raxol_sql's own, are no tables of the project's.

-- name: columns_of_odd_types :many
-- Columns whose type is seldom what is meant.
select
    c.relname as table_name,
    a.attname as column_name,
    format_type(a.atttypid, a.atttypmod) as type_name,
    t.typname as base_type,
    coalesce(a.attnum = any(k.conkey), false) as is_key
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type as t on t.oid = a.atttypid
left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'p'
where c.relkind in ('r', 'p')
    and n.nspname = any(current_schemas(false))
    and c.relname !~ '^_?(yoyo|raxol)_'
    and (
        t.typname in ('timestamp', 'json', 'bpchar', 'money')
        or (t.typname in ('float4', 'float8') and a.attname ~ '(amount|price|total|cost|balance)')
        or (t.typname in ('int2', 'int4') and a.attnum = any(k.conkey) and a.attidentity <> '')
        or (t.typname in ('int2', 'int4') and a.attnum = any(k.conkey) and pg_get_serial_sequence(
            quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname) is not null)
    )
order by c.relname, a.attnum;

-- name: foreign_keys_without_index :many
-- Foreign keys whose columns are not the first ones of any index.
select
    c.relname as table_name,
    k.conname as constraint_name,
    array(
        select a.attname
        from unnest(k.conkey) with ordinality as u (attnum, place)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum
        order by u.place
    )::text[] as column_names
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
where k.contype = 'f'
    and n.nspname = any(current_schemas(false))
    and not exists (
        select from pg_index as i
        where i.indrelid = k.conrelid
            and i.indisvalid
            and i.indpred is null
            and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
order by c.relname, k.conname;

-- name: tables_without_timestamps :many
-- Tables of which it is not known when a row came or was changed.
select
    c.relname as table_name,
    array(
        select wanted.name
        from unnest(array['inserted_at', 'updated_at']) as wanted (name)
        where not exists (
            select from pg_attribute as a
            where a.attrelid = c.oid and a.attname = wanted.name and not a.attisdropped
        )
    )::text[] as missing
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and not c.relispartition
    and n.nspname = any(current_schemas(false))
    and c.relname !~ '^_?(yoyo|raxol)_'
    and not (
        exists (select from pg_attribute where attrelid = c.oid and attname = 'inserted_at')
        and exists (select from pg_attribute where attrelid = c.oid and attname = 'updated_at')
    )
order by c.relname;

-- name: columns_by_number :many
-- Columns by their table's OID and number: how long a text may be, and whether a CHECK is on each.
select
    a.attrelid::bigint as table_oid,
    a.attnum::integer as number,
    c.relname as table_name,
    a.attname as column_name,
    t.typname as base_type,
    nullif(a.atttypmod, -1) - 4 as longest,
    exists (
        select from pg_constraint as k
        where k.conrelid = a.attrelid and k.contype = 'c' and a.attnum = any(k.conkey)
    ) as is_checked
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_type as t on t.oid = a.atttypid
where a.attrelid = any(:tables::bigint[]::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum;
