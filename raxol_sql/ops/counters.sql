-- What the server has counted for this database, and for all of them, since its statistics were
-- reset. Reads only views that everybody may read.

-- name: database_counters :one
-- Counters of this database. Those of sessions came with PostgreSQL 14: before, they are NULL.
select
    d.datname as name,
    current_setting('server_version') as server_version,
    current_setting('server_version_num')::integer as version_number,
    now() as read_at,
    s.xact_commit as commits,
    s.xact_rollback as rollbacks,
    s.tup_returned as rows_read,
    s.tup_fetched as rows_fetched,
    s.tup_inserted as rows_inserted,
    s.tup_updated as rows_updated,
    s.tup_deleted as rows_deleted,
    s.blks_hit as blocks_hit,
    s.blks_read as blocks_read,
    s.temp_files,
    s.temp_bytes,
    s.deadlocks,
    s.conflicts,
    (j.columns ->> 'sessions')::bigint as sessions,
    (j.columns ->> 'sessions_abandoned')::bigint as sessions_abandoned,
    (j.columns ->> 'sessions_fatal')::bigint as sessions_fatal,
    (j.columns ->> 'sessions_killed')::bigint as sessions_killed,
    (j.columns ->> 'session_time')::float8 / 1000 as session_seconds,
    (j.columns ->> 'active_time')::float8 / 1000 as active_seconds,
    (j.columns ->> 'idle_in_transaction_time')::float8 / 1000 as idle_in_transaction_seconds,
    s.stats_reset,
    s.numbackends as connections,
    (select sum(o.numbackends)::bigint from pg_stat_database as o) as all_connections,
    current_setting('max_connections')::bigint as max_connections,
    pg_database_size(d.oid) as size_bytes
from pg_database as d
join pg_stat_database as s on s.datid = d.oid
cross join lateral (select to_jsonb(s) as columns) as j
where d.datname = current_database();

-- name: checkpoints_before_17 :one
-- Checkpoints of the server up to PostgreSQL 16, by the clock and asked for.
select
    checkpoints_timed as timed,
    checkpoints_req as requested,
    buffers_checkpoint as blocks_written
from pg_stat_bgwriter;

-- name: checkpoints :one
-- Checkpoints of the server from PostgreSQL 17 on.
select
    num_timed as timed,
    num_requested as requested,
    buffers_written as blocks_written
from pg_stat_checkpointer;

-- name: wal :one
-- What was written ahead, by all databases together, from PostgreSQL 14 on.
select
    wal_records as records,
    wal_fpi as full_pages,
    wal_bytes as bytes
from pg_stat_wal;
