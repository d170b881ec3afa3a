-- What kind of server it is, and what it was told.

-- name: data_directory :one -> scalar
-- @timeout 5s
-- Where the server has its data; NULL for a role that may not know.
select (select setting from pg_settings where name = 'data_directory');

-- name: server :one
-- @timeout 5s
-- The server, and the time that it has.
select
    current_setting('server_version') as version,
    current_setting('server_version_num')::integer as version_num,
    pg_postmaster_start_time() as started_at,
    pg_is_in_recovery() as is_standby,
    clock_timestamp() as now;

-- name: settings :many
-- @timeout 5s
-- The settings that people look up, as they are without what this session has set for itself.
select
    s.name,
    case
        when s.unit = 'ms' and s.reset_val <> '0' then s.reset_val || ' ms'
        when s.unit = 'ms' then 'none'
        else current_setting(s.name)
    end as value
from pg_settings as s
where s.name in (
    'max_connections', 'shared_buffers', 'effective_cache_size', 'work_mem',
    'maintenance_work_mem', 'wal_level', 'max_wal_size', 'checkpoint_timeout',
    'random_page_cost', 'default_statistics_target', 'autovacuum', 'jit',
    'fsync', 'full_page_writes', 'synchronous_commit',
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
    'transaction_timeout'
)
order by s.name;
