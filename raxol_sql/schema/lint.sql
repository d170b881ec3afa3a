-- What can be said of the tables of a database by good practice: those on the search path, but for
-- the ones in which migrations and outcomes are booked, which are no tables of the project's.

-- name: columns_of_odd_types :many
-- Columns whose type is seldom what is meant.
select
    c.relname as table_name,
    a.attname as column_name,
    format_type(a.atttypid, a.atttypmod) as type_name,
    coalesce(item.typname, t.typname) as base_type
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type as t on t.oid = a.atttypid
left join pg_type as item on item.oid = t.typelem and t.typcategory = 'A'
left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'p'
where c.relkind in ('r', 'p')
    and not c.relispartition
    and n.nspname = any(current_schemas(false))
    and c.relname <> all(array[
        'raxol_outcomes', '_raxol_migration', '_raxol_lock',
        '_yoyo_log', '_yoyo_migration', '_yoyo_version', 'yoyo_lock'
    ])
    and (
        coalesce(item.typname, t.typname) in ('timestamp', 'json', 'bpchar', 'money')
        or (
            t.typname in ('float4', 'float8')
            and a.attname ~ '(^|_)(amount|price|total|cost|balance|fee|salary)s?$'
        )
        or (
            t.typname in ('int2', 'int4')
            and k.conkey = array[a.attnum]
            and (
                a.attidentity <> ''
                or pg_get_serial_sequence(c.oid::regclass::text, a.attname) is not null
            )
        )
    )
order by c.relname, a.attnum;

-- name: foreign_keys_without_index :many
-- Foreign keys whose columns are not the first ones of any index that finds a value by them.
select
    c.relname as table_name,
    k.conname as constraint_name,
    c.oid::regclass::text as quoted,
    c.relkind = 'p' as is_partitioned,
    keyed.column_names
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select
        array_agg(quote_ident(a.attname) order by u.place) as column_names,
        string_agg(format('(%I IS NOT NULL)', a.attname), ' AND ' order by u.place) as not_null
    from unnest(k.conkey) with ordinality as u (attnum, place)
    join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum
) as keyed
where k.contype = 'f'
    and k.conparentid = 0
    and n.nspname = any(current_schemas(false))
    and not exists (
        select from pg_index as i
        join pg_class as ic on ic.oid = i.indexrelid
        join pg_am as m on m.oid = ic.relam
        where i.indrelid = k.conrelid
            and i.indisvalid
            and m.amname in ('btree', 'hash')
            -- A query for the children of a parent asks for no NULL.
            and (
                i.indpred is null
                or pg_get_expr(i.indpred, i.indrelid) in (
                    keyed.not_null, '(' || keyed.not_null || ')'
                )
            )
            and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
order by c.relname, k.conname;

-- name: tables_without_timestamps :many
-- Tables of which it is not known when a row came or was changed.
select
    c.relname as table_name,
    c.oid::regclass::text as quoted,
    wanted.missing
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select array_agg(w.name order by w.name) as missing
    from unnest(array['inserted_at', 'updated_at']) as w (name)
    where not exists (
        select from pg_attribute as a
        where a.attrelid = c.oid and a.attname = w.name and not a.attisdropped
    )
) as wanted
where c.relkind in ('r', 'p')
    and not c.relispartition
    and n.nspname = any(current_schemas(false))
    and c.relname <> all(array[
        'raxol_outcomes', '_raxol_migration', '_raxol_lock',
        '_yoyo_log', '_yoyo_migration', '_yoyo_version', 'yoyo_lock'
    ])
    and wanted.missing is not null
order by c.relname;

-- name: columns_by_number :many
-- Columns of tables by OID and number: how long a text may be, and what is not refused in each.
select
    a.attrelid::bigint as table_oid,
    a.attnum::integer as number,
    c.relname as table_name,
    a.attname as column_name,
    base.typname in ('text', 'varchar', 'bpchar', 'citext') as is_text,
    nullif(greatest(a.atttypmod, t.typtypmod), -1) - 4 as longest,
    not (a.attnotnull or t.typnotnull) as is_nullable,
    exists (
        select from pg_constraint as k
        where k.contype = 'c'
            and (
                (k.conrelid = a.attrelid and a.attnum = any(k.conkey))
                or k.contypid = t.oid
            )
    ) as is_checked
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p')
join pg_type as t on t.oid = a.atttypid
join pg_type as base on base.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
where a.attrelid = any(:tables::bigint[]::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum;
