-- What lies on the disk and in memory, in every schema that is not the server's.

-- name: cache :one
-- @timeout 5s
-- The blocks of tables and of indexes that were read since statistics count: those that were in
-- the server's memory, and the others.
select
    coalesce(sum(s.heap_blks_hit), 0)::bigint as table_hits,
    coalesce(sum(s.heap_blks_read), 0)::bigint as table_reads,
    coalesce(sum(s.idx_blks_hit), 0)::bigint as index_hits,
    coalesce(sum(s.idx_blks_read), 0)::bigint as index_reads
from pg_statio_user_tables as s;

-- name: dead_rows :many
-- @timeout 5s
-- Dead rows of tables, and how many of them have autovacuum begin; most first.
select
    s.relid::regclass::text as name,
    s.n_dead_tup as dead,
    s.n_live_tup as live,
    greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at,
    coalesce((o.given ->> 'autovacuum_enabled')::boolean, true)
        and current_setting('autovacuum')::boolean as is_automatic,
    least(
        coalesce(
            (o.given ->> 'autovacuum_vacuum_threshold')::float8,
            current_setting('autovacuum_vacuum_threshold')::float8
        )
        + coalesce(
            (o.given ->> 'autovacuum_vacuum_scale_factor')::float8,
            current_setting('autovacuum_vacuum_scale_factor')::float8
        ) * greatest(c.reltuples, 0),
        -- As of 18, where -1 is no limit.
        nullif(
            coalesce(
                (o.given ->> 'autovacuum_vacuum_max_threshold')::float8,
                current_setting('autovacuum_vacuum_max_threshold', true)::float8
            ),
            -1
        )
    ) as threshold
from pg_stat_user_tables as s
join pg_class as c on c.oid = s.relid
cross join lateral (
    select coalesce(jsonb_object_agg(option_name, option_value), '{}') as given
    from pg_options_to_table(c.reloptions)
) as o
order by s.n_dead_tup desc, s.relid
limit 100;

-- name: room :many
-- @timeout 5s
-- The size of tables, and what their rows would take, by the statistics of their columns; those that
-- have none for a column, and those that take little, are left out. A row has a header of 23
-- bytes, a bit for each column where one may be NULL, and a pointer of 4 bytes, and begins at a
-- multiple of 8; each column that is not NULL may have to be moved to a multiple of what its type
-- is aligned to. A page has a header of 24 bytes, and no row is in two pages.
select
    c.oid::regclass::text as name,
    c.relpages::bigint * p.size as bytes,
    ceil(
        c.reltuples::float8
        / greatest(
            1,
            floor((p.size - 24) * p.fill / (4 + 8 * ceil((r.header + r.width) / 8)))
        )
    )::bigint * p.size as needed
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select
        current_setting('block_size')::bigint as size,
        coalesce(
            (
                select o.option_value::float8 / 100
                from pg_options_to_table(c.reloptions) as o
                where o.option_name = 'fillfactor'
            ),
            1
        ) as fill
) as p
cross join lateral (
    select
        8 * ceil((23 + ceil(count(*) / 8.0)) / 8.0) as header,
        sum(
            (1 - coalesce(s.null_frac, 0))
            * (
                s.avg_width
                + case a.attalign when 'd' then 7 when 'i' then 3 when 's' then 1 else 0 end
            )
        ) as width,
        count(*) = count(s.avg_width) as is_known
    from pg_attribute as a
    left join pg_stats as s
        on s.schemaname = n.nspname
        and s.tablename = c.relname
        and s.attname = a.attname
        and not s.inherited
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) as r
where c.relkind in ('r', 'm')
    and c.relpersistence <> 't'
    and c.reltuples > 0
    and c.relpages > 128
    and r.is_known
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by c.relpages desc, c.oid
limit 100;

-- name: ages :many
-- @timeout 5s
-- How many transactions ago each database was last cleared of old numbers, oldest first.
select
    d.datname as name,
    greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) as age,
    case
        when age(d.datfrozenxid) >= mxid_age(d.datminmxid)
            then current_setting('autovacuum_freeze_max_age')::bigint
        else current_setting('autovacuum_multixact_freeze_max_age')::bigint
    end as begins_at
from pg_database as d
order by 2 desc, 1;

-- name: temporary :one
-- @timeout 5s
-- What did not fit into work_mem, and went to the disk, since statistics count.
select
    s.temp_files as files,
    s.temp_bytes as bytes,
    extract(
        epoch from clock_timestamp() - greatest(s.stats_reset, pg_postmaster_start_time())
    )::float8 as counted,
    current_setting('work_mem') as work_mem
from pg_stat_database as s
where s.datname = current_database();
