-- The sessions of this database now, and their blockers.

-- name: sessions :many
-- @timeout 5s
-- The sessions of clients in this database, but for this one; what is not for this role is NULL.
select
    a.pid,
    coalesce(nullif(a.application_name, ''), '(no name)') as application,
    a.usename::text as role,
    a.state,
    extract(epoch from clock_timestamp() - a.query_start)::float8 as query_age,
    extract(epoch from clock_timestamp() - a.state_change)::float8 as state_age,
    left(a.query, 4000) as statement,
    (
        exists (select from pg_stat_progress_vacuum as p where p.pid = a.pid)
        or exists (select from pg_stat_progress_analyze as p where p.pid = a.pid)
        or exists (select from pg_stat_progress_create_index as p where p.pid = a.pid)
        or exists (select from pg_stat_progress_cluster as p where p.pid = a.pid)
    ) as is_maintenance,
    a.wait_event_type is not distinct from 'Lock' as is_waiting,
    a.backend_type is null as is_hidden
from pg_stat_activity as a
where a.datname = current_database()
    and a.pid <> pg_backend_pid()
    and a.usesysid is not null
    and coalesce(a.backend_type, 'client backend') = 'client backend'
order by a.query_start, a.pid;

-- name: blocked :many
-- @timeout 5s
-- Each session of this database that waits for a lock, with each session that it waits for. Who
-- waits for a row waits for the transaction that changed it, and has a lock on the row until then.
select
    a.pid,
    extract(
        -- PostgreSQL 13 does not say since when.
        epoch from statement_timestamp() - coalesce(
            (to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start, a.state_change
        )
    )::float8 as waited,
    coalesce(nullif(a.application_name, ''), '(no name)') as application,
    left(a.query, 4000) as statement,
    l.locktype as kind,
    l.mode,
    coalesce(
        l.relation,
        (
            select t.relation from pg_locks as t
            where t.pid = a.pid and t.locktype = 'tuple' and t.database = l_database.oid
            limit 1
        )
    )::regclass::text as relation,
    b.pid as blocker_pid,
    coalesce(nullif(other.application_name, ''), '(no name)') as blocker_application,
    other.state as blocker_state,
    extract(epoch from statement_timestamp() - other.xact_start)::float8 as blocker_age,
    left(other.query, 4000) as blocker_statement
from pg_stat_activity as a
join pg_database as l_database on l_database.datname = a.datname
join pg_locks as l on l.pid = a.pid and not l.granted
cross join lateral (
    select distinct u.pid from unnest(pg_blocking_pids(a.pid)) as u (pid)
) as b
left join pg_stat_activity as other on other.pid = b.pid
where a.datname = current_database()
order by waited desc nulls last, a.pid, b.pid;
