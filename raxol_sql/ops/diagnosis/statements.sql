-- What statements have cost, as the extension pg_stat_statements has counted.

-- name: extension :maybe
-- @timeout 5s
-- The extension, if it was created. From here on the transaction finds it, in whatever schema.
select
    string_to_array(e.extversion, '.')::integer[] >= array[1, 8] as is_recent,
    exists (select from pg_settings where name = 'pg_stat_statements.max' and context = 'postmaster')
        as is_loaded,
    has_schema_privilege(n.oid, 'usage') as is_allowed,
    set_config('search_path', quote_ident(n.nspname), true) as schema
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements';

-- name: preloaded :one
-- @timeout 5s
-- What the server loads when it starts; NULL for a role that may not know.
select
    (select setting from pg_settings where name = 'shared_preload_libraries') as libraries,
    exists (select from pg_available_extensions where name = 'pg_stat_statements') as is_available;

-- name: counted :many
-- @timeout 5s
-- The statements of this database that have taken most time, and how much all have. What was run
-- by other roles is not shown to everybody.
select
    s.query as text,
    s.calls,
    s.total_exec_time as ms,
    sum(s.total_exec_time) over () as all_ms,
    s.queryid is null as is_hidden
from pg_stat_statements(true) as s
where s.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
order by s.total_exec_time desc
limit 1000;
