-- Tables, their constraints and sequences, in every schema that is not the server's. What an
-- extension brought along is the extension's.

-- name: without_key :many
-- @timeout 5s
-- Tables whose rows nothing tells apart: without a primary key, and without a unique index on
-- columns that are never NULL.
select
    c.oid::regclass::text as name,
    c.relkind = 'p' as is_partitioned,
    exists (
        select from pg_attribute as a
        where a.attrelid = c.oid and a.attname = 'id' and not a.attisdropped
    ) as has_id
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
    and not exists (
        select from pg_depend as d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    and not exists (
        select from pg_index as i
        where i.indrelid = c.oid
            and i.indisunique
            and i.indpred is null
            and not exists (
                select from unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
                left join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
                where k.place <= i.indnkeyatts and a.attnotnull is not true
            )
    )
order by 1;

-- name: not_valid :many
-- @timeout 5s
-- Constraints that new rows obey, but that were not validated for the old ones.
select
    k.conrelid::regclass::text as table_name,
    quote_ident(k.conname) as name
from pg_constraint as k
join pg_namespace as n on n.oid = k.connamespace
where not k.convalidated
    and k.conrelid <> 0
    and k.conparentid = 0
    and k.coninhcount = 0
    -- A constraint that is not enforced, as of 18, is not meant to hold.
    and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by 1, 2;

-- name: sequences :many
-- @timeout 5s
-- How far each sequence that ends some day has come, from 0 to 1. It ends at the latest where the
-- column does that takes its numbers.
select
    s.seqrelid::regclass::text as name,
    taken.table_name,
    taken.column_name,
    case when s.seqincrement > 0 then least(s.seqmax, taken.highest) else s.seqmin end as ending,
    s.seqincrement > 0 as is_ascending,
    case
        when s.seqincrement > 0 then s.seqmax not in (32767, 2147483647, 9223372036854775807)
        else s.seqmin not in (-32768, -2147483648, -9223372036854775808)
    end as has_own_end,
    has_sequence_privilege(s.seqrelid, 'select, usage') as is_readable,
    (
        case
            when not has_sequence_privilege(s.seqrelid, 'select, usage') then null
            when s.seqincrement > 0
                then (pg_sequence_last_value(s.seqrelid)::numeric - s.seqmin)
                    / nullif(least(s.seqmax, taken.highest)::numeric - s.seqmin, 0)
            else (s.seqmax - pg_sequence_last_value(s.seqrelid)::numeric)
                / nullif(s.seqmax::numeric - s.seqmin, 0)
        end
    )::float8 as used
from pg_sequence as s
join pg_class as c on c.oid = s.seqrelid
join pg_namespace as n on n.oid = c.relnamespace
left join lateral (
    select
        a.attrelid::regclass::text as table_name,
        quote_ident(a.attname) as column_name,
        case a.atttypid
            when 'int2'::regtype then 32767
            when 'int4'::regtype then 2147483647
        end::bigint as highest
    from pg_attribute as a
    where (a.attrelid, a.attnum) in (
        -- The column that owns it, and those whose default asks it.
        select d.refobjid, d.refobjsubid
        from pg_depend as d
        where d.classid = 'pg_class'::regclass
            and d.objid = s.seqrelid
            and d.refclassid = 'pg_class'::regclass
            and d.deptype in ('a', 'i')
        union all
        select f.adrelid, f.adnum
        from pg_depend as d
        join pg_attrdef as f on f.oid = d.objid
        where d.classid = 'pg_attrdef'::regclass
            and d.refclassid = 'pg_class'::regclass
            and d.refobjid = s.seqrelid
    )
    order by highest nulls last
    limit 1
) as taken on true
where not s.seqcycle
    and n.nspname !~ '^pg_'
order by used desc nulls last, 1;

-- name: scanned :many
-- @timeout 5s
-- Tables that were read whole more often than by an index, largest first. The sizes are those of
-- the last VACUUM or ANALYZE, as asking for today's waits for locks.
select
    c.oid::regclass::text as name,
    c.relpages::bigint * current_setting('block_size')::bigint as bytes,
    s.seq_scan as scans,
    s.seq_tup_read / nullif(s.seq_scan, 0) as rows_each,
    coalesce(s.idx_scan, 0) as index_scans
from pg_stat_user_tables as s
join pg_class as c on c.oid = s.relid
where s.seq_scan > coalesce(s.idx_scan, 0)
order by c.relpages desc, c.oid
limit 100;
