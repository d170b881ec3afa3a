-- What can be maintained in a database. Tables of the server's own schemas and temporary ones are
-- not among it.

-- name: tables :many -> Relation
-- Tables, partitioned tables and materialized views; quoted is the name as SQL writes it.
select
    c.oid::bigint as oid,
    n.nspname as schema,
    c.relname as name,
    case when pg_table_is_visible(c.oid) then quote_ident(c.relname)
    else format('%I.%I', n.nspname, c.relname) end as quoted,
    pg_table_is_visible(c.oid) as is_visible,
    c.relkind = 'p' as is_partitioned,
    c.relispartition as is_partition
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm')
    and c.relpersistence <> 't'
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by n.nspname, c.relname;

-- name: indexes :many -> Index
-- Indexes of these tables, and of what they store out of line, with the table that they belong to.
-- A session that rebuilds an index concurrently holds this lock on the old one and on the new one.
select
    x.oid::bigint as oid,
    n.nspname as schema,
    x.relname as name,
    case when pg_table_is_visible(x.oid) then quote_ident(x.relname)
    else format('%I.%I', n.nspname, x.relname) end as quoted,
    pg_table_is_visible(x.oid) as is_visible,
    x.relkind = 'I' as is_partitioned,
    x.relispartition as is_partition,
    c.oid::bigint as table_oid,
    i.indrelid::bigint as stored_oid,
    i.indisvalid as is_valid,
    i.indisexclusion as is_exclusion,
    exists (
        select from pg_locks as l
        where l.relation = x.oid
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
            and l.mode = 'ShareUpdateExclusiveLock'
            and l.granted
    ) as is_being_built
from pg_class as c
join pg_namespace as cn on cn.oid = c.relnamespace
join pg_index as i on i.indrelid in (c.oid, c.reltoastrelid)
join pg_class as x on x.oid = i.indexrelid
join pg_namespace as n on n.oid = x.relnamespace
where c.relkind in ('r', 'p', 'm')
    and c.relpersistence <> 't'
    and cn.nspname <> 'information_schema'
    and cn.nspname !~ '^pg_'
order by cn.nspname, c.relname, n.nspname like 'pg\_%', x.relname;

-- name: leaves :many -> scalar
-- Where the rows of a partitioned table are, or the entries of a partitioned index.
select relid::oid::bigint
from pg_partition_tree(:oid::bigint::oid::regclass)
where isleaf;
