-- How tables and indexes stand that are maintained, on PostgreSQL 13 to 18.

-- name: figures :maybe -> Counts
-- How a table stands, as far as it is known without waiting for it. Nothing counts rows and
-- vacuums where track_counts is off, and reltuples is -1 (0 up to PostgreSQL 13) before the first
-- of them.
select
    case when current_setting('track_counts')::boolean
        then pg_stat_get_dead_tuples(c.oid) end as dead,
    case when current_setting('track_counts')::boolean
        then pg_stat_get_live_tuples(c.oid) end as live,
    case when c.reltuples >= 0 then c.reltuples::bigint end as estimate,
    pg_stat_get_last_vacuum_time(c.oid) as vacuumed_at,
    pg_stat_get_last_analyze_time(c.oid) as analyzed_at
from pg_class as c
where c.oid = :oid::bigint::oid;

-- name: limit_lock_wait :exec
-- Makes the rest of the transaction give up after so many milliseconds of waiting for a lock.
select set_config('lock_timeout', :milliseconds::integer::text, true);

-- name: table_bytes :maybe -> scalar
-- What a table takes on disk with its indexes and all that it stores out of line.
select pg_total_relation_size(c.oid) from pg_class as c where c.oid = :oid::bigint::oid;

-- name: index_bytes :maybe -> scalar
-- What an index takes on disk. One that was rebuilt concurrently is another with the same name.
select pg_relation_size(c.oid)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = :schema and c.relname = :name;

-- name: invalid_indexes :many
-- The invalid indexes of a table that no session builds now. One on a partitioned table waits for its
-- parts, and is none of them.
select
    x.oid::bigint as oid,
    format('%I.%I', n.nspname, x.relname) as quoted
from pg_index as i
join pg_class as x on x.oid = i.indexrelid
join pg_namespace as n on n.oid = x.relnamespace
where i.indrelid = :oid::bigint::oid
    and not i.indisvalid
    and x.relkind = 'i'
    and not exists (
        select from pg_locks as l
        where l.relation = x.oid
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
            and l.mode = 'ShareUpdateExclusiveLock'
            and l.granted
    )
order by x.relname;
