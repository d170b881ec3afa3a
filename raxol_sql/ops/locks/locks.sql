-- Blocked sessions and their blockers, and what deadlocks the server has counted: PostgreSQL 13 to 18. All of it is
-- there for every role; of other roles' sessions only a member of pg_read_all_stats sees more than
-- their names, and the rest is null here.

-- name: waits :many
-- Each session of this database that waits for a lock, those that are in its way, and for what.
-- A row's lock is waited for by its transaction, and the table is that of the waiter's own lock.
-- Up to PostgreSQL 13 nothing says when a wait began; the statement had begun before.
select
    l.pid,
    array(
        select distinct b.pid from unnest(pg_blocking_pids(l.pid)) as b (pid) order by b.pid
    )::integer[] as blockers,
    l.locktype as kind,
    l.mode,
    coalesce(
        l.relation,
        (
            select t.relation from pg_locks as t
            where t.pid = l.pid and t.locktype = 'tuple' and t.granted
            limit 1
        )
    )::regclass::text as relation,
    case when s.since is not null then
        greatest(extract(epoch from clock_timestamp() - s.since), 0)::float8
    end as seconds
from pg_locks as l
join pg_stat_activity as a on a.pid = l.pid
cross join lateral (
    select case
        when to_jsonb(l) ? 'waitstart' then (to_jsonb(l) ->> 'waitstart')::timestamptz
        else a.query_start
    end as since
) as s
where not l.granted
    and a.datname = current_database()
    /*? pid */ and l.pid = :pid /*?*/
order by 6 desc nulls last, l.pid;

-- name: sessions :many
-- These sessions, as far as they may be seen.
select
    a.pid,
    a.application_name,
    a.usename as user_name,
    a.datname as database_name,
    a.backend_type,
    a.backend_start as started_at,
    a.state,
    nullif(a.query, '<insufficient privilege>') as query,
    -- greatest() takes 0 for NULL, which is what the server says of a session that it hides.
    case when a.xact_start is not null then
        greatest(extract(epoch from clock_timestamp() - a.xact_start), 0)::float8
    end as transaction_seconds
from pg_stat_activity as a
where a.pid = any(:pids);
