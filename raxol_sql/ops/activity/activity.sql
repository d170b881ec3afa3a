-- What the server does now: the counters of a database, its sessions, their blockers, and what
-- pg_stat_statements has counted. Everything is read from views that cost the server little.

-- name: server :one -> Server
-- The server and the database, with the counters that only grow. Ages are in seconds.
select
    clock_timestamp() as at,
    pg_postmaster_start_time() as started_at,
    split_part(current_setting('server_version'), ' ', 1) as version,
    s.datname as database,
    pg_is_in_recovery() as is_standby,
    case
        when pg_is_in_recovery()
            and pg_last_wal_receive_lsn() is distinct from pg_last_wal_replay_lsn()
            then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8
    end as behind,
    (
        select count(*) from pg_stat_replication
        where coalesce(state, 'streaming') in ('streaming', 'catchup')
    ) as standbys,
    -- Who may not know of which type a backend is sees at least whose it is.
    (
        select count(*) from pg_stat_activity
        where backend_type = 'client backend'
            or (backend_type is null and datid is not null and usesysid is not null)
    ) as connections,
    current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint
        - coalesce(current_setting('reserved_connections', true)::bigint, 0) as usable,
    current_setting('application_name') as application,
    pg_has_role('pg_read_all_stats', 'usage') as sees_all,
    pg_size_bytes(current_setting('track_activity_query_size')) as longest_text,
    s.xact_commit as commits,
    s.xact_rollback as rollbacks,
    s.blks_hit as blocks_hit,
    s.blks_read as blocks_read,
    s.temp_bytes as temp_bytes,
    s.deadlocks as deadlocks,
    s.stats_reset as counted_since,
    case when not x.is_visible then x.schema end as statements_schema,
    case
        when x.schema is null then 'pg_stat_statements is not installed'
        when not x.is_recent then 'pg_stat_statements is older than 1.8'
        when not x.is_loaded then 'pg_stat_statements is not in shared_preload_libraries'
        when not x.is_allowed then 'pg_stat_statements is not for this role'
    end as without_statements
from pg_stat_database as s
left join lateral (
    select
        n.nspname as schema,
        to_regclass('pg_stat_statements') is not null as is_visible,
        has_schema_privilege(n.oid, 'usage') as is_allowed,
        string_to_array(e.extversion, '.')::integer[] >= array[1, 8] as is_recent,
        exists (
            select from pg_settings
            where name = 'pg_stat_statements.max' and context = 'postmaster'
        ) as is_loaded
    from pg_extension as e
    join pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'
) as x on true
where s.datname = current_database();

-- name: size :one -> scalar
-- The size of the database in bytes; where it has very many files this takes long.
select pg_database_size(current_database());

-- name: sessions :many
-- The sessions that do something or keep a transaction open, but for this one: longest first.
select
    a.pid,
    coalesce(a.application_name, '') as application,
    coalesce(a.usename, '') as username,
    coalesce(a.datname, '') as database,
    a.backend_type = 'client backend' as is_client,
    case
        when a.state = 'active' and a.wait_event_type = 'Lock' then 'waiting'
        else a.state
    end as state,
    a.wait_event_type as wait_type,
    a.wait_event,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_age,
    extract(
        epoch from clock_timestamp()
            - case when a.state = 'active' then a.query_start else a.state_change end
    )::float8 as state_age,
    a.query
from pg_stat_activity as a
where a.pid <> pg_backend_pid()
    and a.backend_type in ('client backend', 'autovacuum worker')
    and a.state in (
        'active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call'
    )
order by coalesce(a.xact_start, a.query_start), a.pid
limit 200;

-- name: pools :many -> Pool
-- The sessions of clients by the name of their application, but for this one.
select
    coalesce(a.application_name, '') as application,
    count(*) as total,
    count(*) filter (
        where a.state = 'active' and a.wait_event_type is distinct from 'Lock'
    ) as active,
    count(*) filter (where a.state = 'active' and a.wait_event_type = 'Lock') as waiting,
    count(*) filter (where a.state like 'idle in transaction%') as in_transaction,
    count(*) filter (where a.state = 'idle') as idle,
    count(*) filter (where a.backend_type is null) as hidden
from pg_stat_activity as a
where a.pid <> pg_backend_pid()
    and (
        a.backend_type = 'client backend'
        or (a.backend_type is null and a.datid is not null and a.usesysid is not null)
    )
group by a.application_name
order by count(*) desc, a.application_name;

-- name: waits :many
-- Who waits for a lock, for what, and who has it: longest first.
with waiting as materialized (
    select
        l.*,
        a.application_name,
        a.backend_type = 'client backend' as is_client,
        a.query,
        -- PostgreSQL 13 does not say since when.
        coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start) as since
    from pg_locks as l
    join pg_stat_activity as a on a.pid = l.pid
    where not l.granted and l.pid <> pg_backend_pid()
    order by since, l.pid
    limit 50
)
select
    w.pid,
    coalesce(w.application_name, '') as application,
    w.is_client,
    array(
        select distinct b.pid from unnest(pg_blocking_pids(w.pid)) as b (pid) order by b.pid
    ) as blockers,
    w.locktype as kind,
    w.mode,
    -- A session that waits for the transaction that changed a row has a lock on that row's place.
    (
        select t.relation::regclass::text
        from pg_locks as t
        where t.relation is not null
            and t.database in (0, (select oid from pg_database where datname = current_database()))
            and (
                (w.relation is not null and t.relation = w.relation)
                or (w.relation is null and t.locktype = 'tuple' and t.granted)
            )
            and t.pid = w.pid
        limit 1
    ) as relation,
    extract(epoch from clock_timestamp() - w.since)::float8 as age,
    w.query
from waiting as w
order by w.since, w.pid;

-- name: sample :many -> scalar
-- The statements that run in this very moment, but for this one.
select a.query
from pg_stat_activity as a
where a.pid <> pg_backend_pid() and a.backend_type = 'client backend' and a.state = 'active';

-- name: search_in :exec
-- Has the rest of the transaction find pg_stat_statements, wherever it was installed.
select set_config('search_path', quote_ident(:schema), true);

-- name: statements :many -> Counted
-- What each statement of the database has cost since it was first seen, without its text.
select
    s.queryid as id,
    sum(s.calls)::bigint as calls,
    sum(s.total_exec_time)::float8 as ms
from pg_stat_statements(false) as s
where s.queryid is not null
    and s.dbid = (select oid from pg_database where datname = current_database())
group by s.queryid;

-- name: texts :many
-- The texts of some statements. The server reads them all from a file for that.
select s.queryid as id, min(s.query) as text
from pg_stat_statements(true) as s
where s.queryid = any(:ids::bigint[])
    and s.dbid = (select oid from pg_database where datname = current_database())
group by s.queryid;
