-- Schemas, extensions and types, as SQL that would make them; see relations.sql for the columns.
-- What an extension brings is left out.

-- name: schemas :many
-- @timeout 1min
select
    'schema' as kind,
    quote_ident(n.nspname) as own,
    '' as parent,
    format('create schema %I', n.nspname) as definition,
    '{}'::text[] as parts
from pg_namespace as n
where n.nspname !~ '^(pg_|information_schema$)'
    and n.oid not in (
        select objid from pg_depend where classid = 'pg_namespace'::regclass and deptype = 'e'
    )
order by n.oid;

-- name: extensions :many
-- @timeout 1min
-- Their versions are the server's business.
select
    'extension' as kind,
    quote_ident(e.extname) as own,
    '' as parent,
    format('create extension %I schema %I', e.extname, n.nspname) as definition,
    array[quote_ident(n.nspname)] as parts
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
order by e.oid;

-- name: enums :many
-- @timeout 1min
select
    'enum' as kind,
    format('%I.%I', n.nspname, t.typname) as own,
    '' as parent,
    format('create type %I.%I as enum (%s)', n.nspname, t.typname, array_to_string(e.labels, ', '))
        as definition,
    e.labels as parts
from pg_type as t
join pg_namespace as n on n.oid = t.typnamespace
cross join lateral (
    select coalesce(array_agg(quote_literal(l.enumlabel) order by l.enumsortorder), '{}') as labels
    from pg_enum as l
    where l.enumtypid = t.oid
) as e
where t.typtype = 'e'
    and n.nspname !~ '^(pg_|information_schema$)'
    and t.oid not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by t.oid;

-- name: composite_types :many
-- @timeout 1min
select
    'composite type' as kind,
    format('%I.%I', n.nspname, t.typname) as own,
    '' as parent,
    format('create type %I.%I', n.nspname, t.typname) as definition,
    '{}'::text[] as parts
from pg_type as t
join pg_class as c on c.oid = t.typrelid and c.relkind = 'c'
join pg_namespace as n on n.oid = t.typnamespace
where n.nspname !~ '^(pg_|information_schema$)'
    and t.oid not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by t.oid;

-- name: ranges :many
-- @timeout 1min
select
    'range' as kind,
    format('%I.%I', n.nspname, t.typname) as own,
    '' as parent,
    format(
        'create type %I.%I as range (%s)', n.nspname, t.typname,
        concat_ws(
            ', ',
            'subtype = ' || format_type(r.rngsubtype, null),
            'subtype_opclass = ' || (
                select format('%I.%I', om.nspname, o.opcname)
                from pg_opclass as o
                join pg_namespace as om on om.oid = o.opcnamespace
                where o.oid = r.rngsubopc and not o.opcdefault
            ),
            'collation = ' || (
                select format('%I.%I', lm.nspname, l.collname)
                from pg_collation as l
                join pg_namespace as lm on lm.oid = l.collnamespace
                where l.oid = r.rngcollation
            ),
            'subtype_diff = ' || nullif(r.rngsubdiff::oid, 0)::regproc::text
        )
    ) as definition,
    '{}'::text[] as parts
from pg_type as t
join pg_range as r on r.rngtypid = t.oid
join pg_namespace as n on n.oid = t.typnamespace
where n.nspname !~ '^(pg_|information_schema$)'
    and t.oid not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by t.oid;

-- name: domains :many
-- @timeout 1min
select
    'domain' as kind,
    format('%I.%I', n.nspname, t.typname) as own,
    '' as parent,
    format('create domain %I.%I as %s', n.nspname, t.typname, array_to_string(p.parts, ' '))
        as definition,
    p.parts
from pg_type as t
join pg_namespace as n on n.oid = t.typnamespace
cross join lateral (
    select array[
        format_type(t.typbasetype, t.typtypmod) || coalesce((
            select format(' collate %I.%I', lm.nspname, l.collname)
            from pg_type as b
            join pg_collation as l on l.oid = t.typcollation
            join pg_namespace as lm on lm.oid = l.collnamespace
            where b.oid = t.typbasetype and b.typcollation <> t.typcollation
        ), ''),
        'default ' || pg_get_expr(t.typdefaultbin, 0),
        case when t.typnotnull then 'not null' end
    ] as parts
) as p
where t.typtype = 'd'
    and n.nspname !~ '^(pg_|information_schema$)'
    and t.oid not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by t.oid;

-- name: domain_constraints :many
-- @timeout 1min
select
    'domain constraint' as kind,
    quote_ident(k.conname) as own,
    format('%I.%I', n.nspname, t.typname) as parent,
    format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as definition,
    '{}'::text[] as parts
from pg_constraint as k
join pg_type as t on t.oid = k.contypid
join pg_namespace as n on n.oid = t.typnamespace
where k.contype = 'c'
    and n.nspname !~ '^(pg_|information_schema$)'
    and t.oid not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by k.oid;
