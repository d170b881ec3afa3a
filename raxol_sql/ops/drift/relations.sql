-- Tables and what they are made of, object by object, as SQL that would make it: own is the name,
-- with its schema where it has one, parent the relation that it is part of, and parts are what can
-- be altered of it by itself. What an extension brings is left out, and so are owners, grants and
-- comments.

-- name: sequences :many
-- @timeout 1min
-- Those of identity columns are part of these.
select
    'sequence' as kind,
    format('%I.%I', n.nspname, c.relname) as own,
    coalesce(o.parent, '') as parent,
    format(
        'create %ssequence %I.%I as %s increment by %s minvalue %s maxvalue %s start with %s'
        ' cache %s %scycle',
        case c.relpersistence when 'u' then 'unlogged ' else '' end, n.nspname, c.relname,
        format_type(s.seqtypid, null), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
        case when s.seqcycle then '' else 'no ' end
    ) as definition,
    '{}'::text[] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_sequence as s on s.seqrelid = c.oid
left join lateral (
    select format('%I.%I', tn.nspname, tc.relname) as parent
    from pg_depend as d
    join pg_class as tc on tc.oid = d.refobjid
    join pg_namespace as tn on tn.oid = tc.relnamespace
    where d.classid = 'pg_class'::regclass
        and d.objid = c.oid
        and d.refclassid = 'pg_class'::regclass
        and d.deptype = 'a'
) as o on true
where n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype in ('e', 'i')
    )
order by c.oid;

-- name: sequence_owners :many
-- @timeout 1min
-- The columns that sequences go with.
select
    'sequence owner' as kind,
    format('%I.%I', n.nspname, c.relname) as own,
    format('%I.%I', tn.nspname, tc.relname) as parent,
    format(
        'alter sequence %I.%I owned by %I.%I.%I',
        n.nspname, c.relname, tn.nspname, tc.relname, a.attname
    ) as definition,
    '{}'::text[] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_depend as d on d.classid = 'pg_class'::regclass
    and d.objid = c.oid
    and d.refclassid = 'pg_class'::regclass
    and d.deptype = 'a'
join pg_class as tc on tc.oid = d.refobjid
join pg_namespace as tn on tn.oid = tc.relnamespace
join pg_attribute as a on a.attrelid = tc.oid and a.attnum = d.refobjsubid
where c.relkind = 'S'
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid;

-- name: tables :many
-- @timeout 1min
-- Tables without their columns, in two parts, between which these belong.
select
    case
        when c.relispartition then 'partition'
        when c.relkind = 'f' then 'foreign table'
        else 'table'
    end as kind,
    format('%I.%I', n.nspname, c.relname) as own,
    case when c.relispartition then h.parents[1] else '' end as parent,
    concat_ws(' ', p.head, p.tail) as definition,
    array[p.head, coalesce(p.tail, '')] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_am as m on m.oid = c.relam
cross join lateral (
    select coalesce(array_agg(format('%I.%I', hn.nspname, hc.relname) order by i.inhseqno), '{}')
        as parents
    from pg_inherits as i
    join pg_class as hc on hc.oid = i.inhparent
    join pg_namespace as hn on hn.oid = hc.relnamespace
    where i.inhrelid = c.oid
) as h
cross join lateral (
    select
        format(
            'create %stable %I.%I',
            case
                when c.relkind = 'f' then 'foreign '
                when c.relpersistence = 'u' then 'unlogged '
                else ''
            end,
            n.nspname, c.relname
        ) as head,
        nullif(concat_ws(
            ' ',
            case
                when c.relispartition then
                    format('partition of %s %s', h.parents[1], pg_get_expr(c.relpartbound, c.oid))
                when h.parents <> '{}' then format('inherits (%s)', array_to_string(h.parents, ', '))
            end,
            'partition by ' || pg_get_partkeydef(c.oid),
            'using ' || quote_ident(nullif(m.amname, 'heap')),
            'server ' || (
                select quote_ident(s.srvname)
                from pg_foreign_table as f
                join pg_foreign_server as s on s.oid = f.ftserver
                where f.ftrelid = c.oid
            )
        ), '') as tail
) as p
where c.relkind in ('r', 'p', 'f')
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid;

-- name: columns :many
-- @timeout 1min
-- Columns of tables, and attributes of composite types. Those that come from a parent are its own.
select
    case c.relkind when 'c' then 'attribute' else 'column' end as kind,
    quote_ident(a.attname) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    concat_ws(' ', quote_ident(a.attname), array_to_string(p.parts, ' ')) as definition,
    p.parts
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_type as t on t.oid = a.atttypid
left join pg_attrdef as f on f.adrelid = a.attrelid and f.adnum = a.attnum
left join lateral (
    select
        case
            when (s.seqincrement, s.seqmin, s.seqstart, s.seqcache, s.seqcycle)
                = (1, 1, 1, 1, false)
                and s.seqmax = case s.seqtypid
                    when 'smallint'::regtype then 32767
                    when 'integer'::regtype then 2147483647
                    else 9223372036854775807
                end
            then ''
            else format(
                ' (increment by %s minvalue %s maxvalue %s start with %s cache %s %scycle)',
                s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                case when s.seqcycle then '' else 'no ' end
            )
        end as options
    from pg_depend as d
    join pg_sequence as s on s.seqrelid = d.objid
    where d.classid = 'pg_class'::regclass
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = a.attrelid
        and d.refobjsubid = a.attnum
        and d.deptype = 'i'
) as q on true
cross join lateral (
    select array[
        format_type(a.atttypid, a.atttypmod) || coalesce((
            select format(' collate %I.%I', lm.nspname, l.collname)
            from pg_collation as l
            join pg_namespace as lm on lm.oid = l.collnamespace
            where l.oid = a.attcollation and a.attcollation <> t.typcollation
        ), ''),
        case
            when a.attidentity = 'a' then 'generated always as identity' || q.options
            when a.attidentity = 'd' then 'generated by default as identity' || q.options
            when a.attgenerated = 's' then
                format('generated always as (%s) stored', pg_get_expr(f.adbin, f.adrelid))
            when a.attgenerated = 'v' then
                format('generated always as (%s) virtual', pg_get_expr(f.adbin, f.adrelid))
        end,
        case when a.attgenerated = '' then 'default ' || pg_get_expr(f.adbin, f.adrelid) end,
        case when a.attnotnull then 'not null' end
    ] as parts
) as p
where c.relkind in ('r', 'p', 'f', 'c')
    and a.attnum > 0
    and not a.attisdropped
    and (a.attislocal or a.attinhcount = 0)
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
    and c.reltype not in (
        select objid from pg_depend where classid = 'pg_type'::regclass and deptype = 'e'
    )
order by c.oid, a.attnum;

-- name: constraints :many
-- @timeout 1min
-- NOT NULL is part of a column. Those that come from a parent are its own.
select
    'constraint' as kind,
    quote_ident(k.conname) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as definition,
    '{}'::text[] as parts
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
where k.contype in ('c', 'f', 'p', 'u', 'x')
    and k.conparentid = 0
    and (k.conislocal or k.coninhcount = 0)
    and c.relkind in ('r', 'p', 'f')
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by k.oid;

-- name: indexes :many
-- @timeout 1min
-- Those of a constraint are part of it, and those that come from a parent are its own.
select
    'index' as kind,
    format('%I.%I', n.nspname, x.relname) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    case x.relkind
        when 'I' then replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON ')
        else pg_get_indexdef(x.oid)
    end || case when x.relkind = 'i' and not i.indisvalid then ' /* invalid */' else '' end
        as definition,
    '{}'::text[] as parts
from pg_index as i
join pg_class as x on x.oid = i.indexrelid
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = x.relnamespace
where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^(pg_|information_schema$)'
    and not exists (
        select from pg_constraint as k
        where k.conindid = x.oid and k.conrelid = c.oid and k.contype in ('p', 'u', 'x')
    )
    and not exists (select from pg_inherits as h where h.inhrelid = x.oid)
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by x.oid;

-- name: storage_options :many
-- @timeout 1min
select
    'storage option' as kind,
    quote_ident(split_part(o.option, '=', 1)) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    format(
        'alter %s %I.%I set (%I = %L)',
        case c.relkind when 'm' then 'materialized view' else 'table' end,
        n.nspname, c.relname,
        split_part(o.option, '=', 1), substring(o.option from position('=' in o.option) + 1)
    ) as definition,
    '{}'::text[] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral unnest(c.reloptions) as o (option)
where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid, o.option;

-- name: replica_identities :many
-- @timeout 1min
select
    'replica identity' as kind,
    'replica identity' as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    format(
        'alter table %I.%I replica identity %s', n.nspname, c.relname,
        case c.relreplident
            when 'f' then 'full'
            when 'n' then 'nothing'
            else 'using index ' || coalesce((
                select quote_ident(x.relname)
                from pg_index as i
                join pg_class as x on x.oid = i.indexrelid
                where i.indrelid = c.oid and i.indisreplident
            ), '?')
        end
    ) as definition,
    '{}'::text[] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and c.relreplident <> 'd'
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid;

-- name: extended_statistics :many
-- @timeout 1min
select
    'statistics' as kind,
    format('%I.%I', n.nspname, s.stxname) as own,
    format('%I.%I', tn.nspname, c.relname) as parent,
    pg_get_statisticsobjdef(s.oid) as definition,
    '{}'::text[] as parts
from pg_statistic_ext as s
join pg_namespace as n on n.oid = s.stxnamespace
join pg_class as c on c.oid = s.stxrelid
join pg_namespace as tn on tn.oid = c.relnamespace
where n.nspname !~ '^(pg_|information_schema$)'
order by s.oid;
