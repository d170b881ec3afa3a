-- The deadlocks that the server has counted.

-- name: counted :one -> DeadlockCount
-- The deadlocks that the server has counted in this database, and since when: null is for ever.
select
    (select system_identifier from pg_control_system()) as system_identifier,
    d.datid::bigint as oid,
    d.datname as name,
    d.deadlocks,
    d.stats_reset as since
from pg_stat_database as d
where d.datname = current_database();
