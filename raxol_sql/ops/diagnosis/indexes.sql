-- Indexes that cost more than they give, in every schema that is not the server's. Sizes are those
-- of the last VACUUM or ANALYZE, as asking for today's waits for locks.

-- name: statistics :one
-- @timeout 5s
-- For how many days the statistics have been counting, at least.
select
    extract(
        epoch from clock_timestamp() - greatest(s.stats_reset, pg_postmaster_start_time())
    )::float8 / 86400 as days
from pg_stat_database as s
where s.datname = current_database();

-- name: unused :many
-- @timeout 5s
-- Indexes that are there only to find rows by, least used first: those that hold a constraint or
-- tell rows apart do something else, and those of a foreign key are used when a parent goes.
select
    s.indexrelid::regclass::text as name,
    s.relid::regclass::text as table_name,
    s.idx_scan as scans,
    c.relpages::bigint * current_setting('block_size')::bigint as bytes
from pg_stat_user_indexes as s
join pg_class as c on c.oid = s.indexrelid
join pg_index as i on i.indexrelid = s.indexrelid
where i.indisvalid
    and not i.indisunique
    and not i.indisexclusion
    and not i.indisreplident
    and not i.indisclustered
    and not c.relispartition
    and not exists (select from pg_constraint as k where k.conindid = s.indexrelid)
    and not exists (
        select from pg_constraint as k
        where k.contype = 'f'
            and k.conrelid = s.relid
            and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
order by s.idx_scan, c.relpages desc, s.indexrelid;

-- name: duplicates :many
-- @timeout 5s
-- Indexes that do nothing which another one does not. What an index is made of is compared as the
-- catalogue keeps it, but for the places in the text that it was made by. `is_same` are two of the
-- same; otherwise the one has the first columns of the other.
with known as materialized (
    select
        i.indexrelid,
        i.indrelid,
        i.indisunique,
        i.indnkeyatts,
        i.indkey::int2[] as columns,
        i.indclass::oid[] as classes,
        i.indcollation::oid[] as collations,
        i.indoption::int2[] as options,
        regexp_replace(
            coalesce(i.indexprs::text, ''), ':location -?[0-9]+', '', 'g'
        ) as expressions,
        regexp_replace(coalesce(i.indpred::text, ''), ':location -?[0-9]+', '', 'g') as predicate,
        c.relam,
        m.amname = 'btree' as is_btree,
        c.relkind = 'I' as is_partitioned,
        i.indisprimary,
        i.indimmediate,
        i.indisreplident or i.indisclustered as is_chosen,
        (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean is true as nulls_are_equal,
        k.conname
    from pg_index as i
    join pg_class as c on c.oid = i.indexrelid
    join pg_am as m on m.oid = c.relam
    join pg_namespace as n on n.oid = c.relnamespace
    left join pg_constraint as k
        on k.conindid = i.indexrelid and k.contype in ('p', 'u') and k.conrelid = i.indrelid
    where i.indisvalid
        and not i.indisexclusion
        and not c.relispartition
        and c.relpersistence <> 't'
        and n.nspname !~ '^pg_'
)
select
    surplus.indexrelid::regclass::text as name,
    kept.indexrelid::regclass::text as other,
    surplus.indrelid::regclass::text as table_name,
    quote_ident(surplus.conname) as constraint_name,
    surplus.is_partitioned,
    pairs.is_same
from known as surplus
join known as kept
    on kept.indrelid = surplus.indrelid
    and kept.indexrelid <> surplus.indexrelid
    and kept.relam = surplus.relam
cross join lateral (
    select
        (
            kept.columns = surplus.columns
            and kept.indnkeyatts = surplus.indnkeyatts
            and kept.classes = surplus.classes
            and kept.collations = surplus.collations
            and kept.options = surplus.options
            and kept.expressions = surplus.expressions
            and kept.predicate = surplus.predicate
        ) as is_same,
        (
            surplus.is_btree
            and not surplus.indisunique
            and surplus.indnkeyatts = cardinality(surplus.columns)
            and surplus.expressions = ''
            and kept.expressions = ''
            and surplus.predicate = ''
            and kept.predicate = ''
            and kept.indnkeyatts >= surplus.indnkeyatts
            -- Of as many columns as the other one it includes more.
            and cardinality(kept.columns) > cardinality(surplus.columns)
            and kept.columns[0:surplus.indnkeyatts - 1]
                = surplus.columns[0:surplus.indnkeyatts - 1]
            and kept.classes[0:surplus.indnkeyatts - 1]
                = surplus.classes[0:surplus.indnkeyatts - 1]
            and kept.collations[0:surplus.indnkeyatts - 1]
                = surplus.collations[0:surplus.indnkeyatts - 1]
            and kept.options[0:surplus.indnkeyatts - 1]
                = surplus.options[0:surplus.indnkeyatts - 1]
        ) as is_beginning
) as pairs
where not surplus.is_chosen
    -- A foreign key needs the very index that it was made with.
    and not exists (
        select from pg_constraint as f
        where f.contype = 'f' and f.conindid = surplus.indexrelid
    )
    and (
        pairs.is_beginning
        or (
            pairs.is_same
            -- What is unique stays: of two of the same, the one that does more, or the older one.
            and (
                not surplus.indisunique
                or (
                    kept.indisunique
                    and kept.indimmediate = surplus.indimmediate
                    and kept.nulls_are_equal = surplus.nulls_are_equal
                )
            )
            and (
                kept.indisprimary,
                kept.indisunique,
                kept.conname is not null,
                kept.is_chosen,
                -kept.indexrelid::bigint
            ) > (
                surplus.indisprimary,
                surplus.indisunique,
                surplus.conname is not null,
                surplus.is_chosen,
                -surplus.indexrelid::bigint
            )
        )
    )
order by 1, pairs.is_same desc, 2;

-- name: invalid :many
-- @timeout 5s
-- Indexes that an interrupted build has left, and no query uses. What is being built now is invalid
-- as well; where another role builds, its table is not told, and so any index may be the one.
select
    i.indexrelid::regclass::text as name,
    i.indrelid::regclass::text as table_name,
    i.indisunique as is_unique
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
where not i.indisvalid
    -- One on a partitioned table is so until all its parts are attached.
    and c.relkind = 'i'
    and not exists (
        select from pg_stat_progress_create_index as p
        where p.datname = current_database() and coalesce(p.relid, i.indrelid) = i.indrelid
    )
order by 1;

-- name: full_of_nulls :many
-- @timeout 5s
-- Indexes on one column that have an entry for every row, and how many of these are NULL, from 0
-- to 1. Those that hold a constraint cannot leave any out.
select
    i.indexrelid::regclass::text as name,
    i.indrelid::regclass::text as table_name,
    quote_ident(a.attname) as column_name,
    s.null_frac::float8 as nulls,
    c.relpages::bigint * current_setting('block_size')::bigint as bytes
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join pg_class as t on t.oid = i.indrelid
join pg_namespace as n on n.oid = t.relnamespace
join pg_attribute as a on a.attrelid = t.oid and a.attnum = i.indkey[0]
join pg_stats as s
    on s.schemaname = n.nspname and s.tablename = t.relname and s.attname = a.attname
where i.indisvalid
    and i.indnatts = 1
    and i.indpred is null
    and not i.indisreplident
    and not c.relispartition
    and not s.inherited
    and n.nspname !~ '^pg_'
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid)
order by c.relpages desc, 1;
