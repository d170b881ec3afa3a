-- What the catalogue says of a table.

-- name: find :maybe
-- A table by its name as SQL writes it, on the search path or with a schema.
select
    c.oid::bigint as oid,
    c.relname as name,
    c.relkind::text as kind,
    case when pg_table_is_visible(c.oid) then quote_ident(c.relname)
    else quote_ident(n.nspname) || '.' || quote_ident(c.relname) end as quoted
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass(:name);

-- name: names :many -> scalar
-- The tables on the search path, as SQL writes them.
select quote_ident(c.relname)
from pg_class as c
where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text = any(
    select quote_ident(unnest) from unnest(current_schemas(false))
)
order by c.relname;

-- name: columns :many
-- The columns of a table, in its order. A domain may be of another domain, and an array of one.
with recursive chain as (
    select
        a.attnum, a.atttypid as type, a.atttypmod as modifier, a.attnotnull as needed,
        false as is_array, 1 as depth
    from pg_attribute as a
    where a.attrelid = :oid::bigint::oid and a.attnum > 0 and not a.attisdropped
    union all
    select
        c.attnum,
        case when t.typtype = 'd' then t.typbasetype else t.typelem end,
        case when t.typtype = 'd' then greatest(c.modifier, t.typtypmod) else c.modifier end,
        c.needed or (t.typtype = 'd' and t.typnotnull and not c.is_array),
        c.is_array or t.typtype <> 'd',
        c.depth + 1
    from chain as c
    join pg_type as t on t.oid = c.type
    where t.typtype = 'd' or (t.typcategory = 'A' and t.typelem <> 0)
),
behind as (
    select distinct on (attnum) attnum, type, modifier, needed, is_array
    from chain
    order by attnum, depth desc
)
select
    a.attname as name,
    quote_ident(a.attname) as quoted,
    format_type(a.atttypid, a.atttypmod) as type,
    base.typname as base,
    behind.is_array as is_array,
    case when base.typname in ('varchar', 'bpchar')
        then nullif(behind.modifier, -1) - 4 end as length,
    array(
        select e.enumlabel from pg_enum as e
        where e.enumtypid = base.oid
        order by e.enumsortorder
    )::text[] as labels,
    not behind.needed as nullable,
    a.atthasdef or a.attidentity <> '' as has_default,
    a.attgenerated = '' and a.attidentity <> 'a' as is_given
from pg_attribute as a
join behind on behind.attnum = a.attnum
join pg_type as base on base.oid = behind.type
where a.attrelid = :oid::bigint::oid
order by a.attnum;

-- name: constraints :many
-- The keys, unique indexes, foreign keys and checks of a table, and the checks of its domains.
with recursive domains as (
    select a.attname, a.atttypid as type
    from pg_attribute as a
    where a.attrelid = :oid::bigint::oid and a.attnum > 0 and not a.attisdropped
    union all
    select d.attname, t.typbasetype
    from domains as d
    join pg_type as t on t.oid = d.type
    where t.typtype = 'd'
)
select
    k.conname as name,
    case
        when k.contype = 'p' then 'primary'
        when k.contype = 'f' then 'foreign'
        when k.contype = 'c' then 'check'
        when k.contype = 'x' or pg_get_constraintdef(k.oid) like '%WITHOUT OVERLAPS%'
            then 'exclusion'
        else 'unique'
    end as kind,
    array(
        select a.attname from unnest(k.conkey) with ordinality as u (attnum, place)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum
        order by u.place
    )::text[] as columns,
    pg_get_constraintdef(k.oid) as definition,
    coalesce(k.confrelid::regclass::text, '') as target,
    array(
        select a.attname from unnest(k.confkey) with ordinality as u (attnum, place)
        join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.attnum
        order by u.place
    )::text[] as target_columns
from pg_constraint as k
where k.conrelid = :oid::bigint::oid and k.contype in ('p', 'u', 'f', 'c', 'x')
union all
select
    c.relname,
    case when i.indpred is null then 'unique' else 'partial' end,
    array(
        select a.attname from unnest(i.indkey::int2[]) with ordinality as u (attnum, place)
        join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = u.attnum
        where u.place <= i.indnkeyatts
        order by u.place
    )::text[],
    pg_get_indexdef(i.indexrelid),
    '',
    '{}'::text[]
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
where i.indrelid = :oid::bigint::oid
    and i.indisunique
    and i.indexprs is null
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid)
union all
select k.conname, 'check', array[d.attname]::text[], pg_get_constraintdef(k.oid), '', '{}'::text[]
from domains as d
join pg_constraint as k on k.contypid = d.type and k.contype = 'c'
order by 2, 1;
