-- What there is to know of tables, so that a plan that reads them can be judged.

-- name: tables :many
-- The tables that a plan names: how many rows they have, as far as the statistics know (0: they do
-- not), the columns that are varchar, and those that an index begins with. Names are quoted as SQL
-- needs them.
select
    n.nspname as schema,
    c.relname as name,
    c.oid::regclass::text as quoted,
    greatest(c.reltuples, 0)::float8 as row_count,
    array(
        select quote_ident(a.attname)
        from pg_attribute as a
        where a.attrelid = c.oid
            and a.attnum > 0
            and not a.attisdropped
            and a.atttypid = 'varchar'::regtype
    ) as varchars,
    array(
        select distinct quote_ident(a.attname)
        from pg_index as i
        join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisvalid and i.indpred is null
    ) as leading
from unnest(:schemas::text[], :names::text[]) as wanted (schema, name)
join pg_namespace as n on n.nspname = wanted.schema
join pg_class as c on c.relnamespace = n.oid and c.relname = wanted.name
where c.relkind in ('r', 'p', 'm');
