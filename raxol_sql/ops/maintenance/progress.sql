-- name: progress :many -> Progress
-- How far the maintenance commands of this database are that run now, or the one of a process.
-- What is done is in the unit of its phase, blocks mostly, and total is null where it is not known.
with running as (
    select
        v.pid, 'vacuum' as command, v.relid, v.phase,
        case when v.phase = 'vacuuming heap'
            then v.heap_blks_vacuumed else v.heap_blks_scanned end as done,
        v.heap_blks_total as total
    from pg_stat_progress_vacuum as v
    where v.datname = current_database()
    union all
    select
        c.pid, lower(c.command), c.relid, c.phase,
        case when c.phase like '%heap' then c.heap_blks_scanned else 0 end,
        case when c.phase like '%heap' then c.heap_blks_total else 0 end
    from pg_stat_progress_cluster as c
    where c.datname = current_database()
    union all
    select a.pid, 'analyze', a.relid, a.phase, a.sample_blks_scanned, a.sample_blks_total
    from pg_stat_progress_analyze as a
    where a.datname = current_database()
    union all
    select
        i.pid, lower(i.command), i.relid, i.phase,
        case
            when i.phase like 'waiting%' then i.lockers_done
            when i.blocks_total > 0 then i.blocks_done
            else i.tuples_done
        end,
        case
            when i.phase like 'waiting%' then i.lockers_total
            when i.blocks_total > 0 then i.blocks_total
            else i.tuples_total
        end
    from pg_stat_progress_create_index as i
    where i.datname = current_database()
)
select
    r.pid,
    r.command,
    coalesce(r.relid::regclass::text, '') as relation,
    r.phase,
    least(r.done, nullif(r.total, 0)) as done,
    nullif(r.total, 0) as total
from running as r
where true /*? pid */ and r.pid = :pid /*?*/
order by r.pid;
