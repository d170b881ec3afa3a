-- Ending a session that blocks others.

-- name: terminate :maybe -> scalar
-- Ends a session of this database that blocks another, if it is still the one that was seen.
select pg_terminate_backend(a.pid)
from pg_stat_activity as a
where a.pid = :pid
    and a.pid <> pg_backend_pid()
    and a.datname = current_database()
    and a.backend_start is not distinct from :started_at
    and exists (
        select from pg_locks as l
        where not l.granted and a.pid = any(pg_blocking_pids(l.pid))
    );

-- name: is_there :one -> scalar
-- Whether a session is still there, and not another one that has its pid by now.
select exists (
    select from pg_stat_activity as a
    where a.pid = :pid and a.backend_start is not distinct from :started_at
);
