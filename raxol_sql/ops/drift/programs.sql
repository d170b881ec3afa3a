-- What runs in a database: functions, views, rules, triggers and policies, as SQL that would make
-- them; see relations.sql for the columns. What an extension brings is left out.

-- name: functions :many
-- @timeout 1min
-- Functions and procedures; parts are what cannot be replaced in place. Those that a range type
-- brings are its own.
select
    case p.prokind when 'p' then 'procedure' else 'function' end as kind,
    format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as own,
    '' as parent,
    rtrim(pg_get_functiondef(p.oid), E'\n') as definition,
    array[
        pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), '')
    ] as parts
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
where p.prokind in ('f', 'p', 'w')
    and n.nspname !~ '^(pg_|information_schema$)'
    and p.oid not in (
        select objid from pg_depend where classid = 'pg_proc'::regclass and deptype in ('e', 'i')
    )
order by p.oid;

-- name: aggregates :many
-- @timeout 1min
select
    'aggregate' as kind,
    format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as own,
    '' as parent,
    format(
        'create or replace aggregate %I.%I(%s) (%s)',
        n.nspname, p.proname, pg_get_function_arguments(p.oid),
        concat_ws(
            ', ',
            'sfunc = ' || a.aggtransfn::regproc::text,
            'stype = ' || format_type(a.aggtranstype, null),
            'sspace = ' || nullif(a.aggtransspace, 0),
            'finalfunc = ' || nullif(a.aggfinalfn::oid, 0)::regproc::text,
            'combinefunc = ' || nullif(a.aggcombinefn::oid, 0)::regproc::text,
            'initcond = ' || quote_literal(a.agginitval),
            'parallel = ' || case p.proparallel when 's' then 'safe' when 'r' then 'restricted' end
        )
    ) as definition,
    '{}'::text[] as parts
from pg_proc as p
join pg_aggregate as a on a.aggfnoid = p.oid
join pg_namespace as n on n.oid = p.pronamespace
where n.nspname !~ '^(pg_|information_schema$)'
    and p.oid not in (
        select objid from pg_depend where classid = 'pg_proc'::regclass and deptype = 'e'
    )
order by p.oid;

-- name: views :many
-- @timeout 1min
-- Parts are the columns, which can only be added to in place.
select
    case c.relkind when 'm' then 'materialized view' else 'view' end as kind,
    format('%I.%I', n.nspname, c.relname) as own,
    '' as parent,
    format(
        E'create %s %I.%I%s as\n%s',
        case c.relkind when 'm' then 'materialized view' else 'view' end,
        n.nspname, c.relname,
        case when c.relkind = 'v' and c.reloptions <> '{}' then
            format(' with (%s)', array_to_string(c.reloptions, ', '))
        end,
        rtrim(pg_get_viewdef(c.oid), ';')
    ) as definition,
    array(
        select format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
        from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('v', 'm')
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid;

-- name: rules :many
-- @timeout 1min
select
    'rule' as kind,
    quote_ident(w.rulename) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    rtrim(pg_get_ruledef(w.oid), ';') as definition,
    '{}'::text[] as parts
from pg_rewrite as w
join pg_class as c on c.oid = w.ev_class
join pg_namespace as n on n.oid = c.relnamespace
where w.rulename <> '_RETURN'
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by w.oid;

-- name: triggers :many
-- @timeout 1min
-- Those that come from a parent are its own. One that is not simply on is switched afterwards.
select
    'trigger' as kind,
    quote_ident(g.tgname) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    concat_ws(E';\n', pg_get_triggerdef(g.oid), s.switched) as definition,
    '{}'::text[] as parts
from pg_trigger as g
join pg_class as c on c.oid = g.tgrelid
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select case
        when g.tgenabled <> 'O' then
            format(
                'alter table %I.%I %s trigger %I', n.nspname, c.relname,
                case g.tgenabled
                    when 'D' then 'disable'
                    when 'R' then 'enable replica'
                    else 'enable always'
                end,
                g.tgname
            )
    end as switched
) as s
where not g.tgisinternal
    and g.tgparentid = 0
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by g.oid;

-- name: row_level_security :many
-- @timeout 1min
select
    s.kind,
    s.kind as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    format('alter table %I.%I %s row level security', n.nspname, c.relname, s.verb) as definition,
    '{}'::text[] as parts
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    values
        ('row level security', 'enable', c.relrowsecurity),
        ('row level security of the owner', 'force', c.relforcerowsecurity)
) as s (kind, verb, is_on)
where c.relkind in ('r', 'p')
    and s.is_on
    and n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by c.oid, s.kind;

-- name: policies :many
-- @timeout 1min
select
    'policy' as kind,
    quote_ident(p.polname) as own,
    format('%I.%I', n.nspname, c.relname) as parent,
    concat_ws(
        ' ',
        format('create policy %I on %I.%I', p.polname, n.nspname, c.relname),
        case when not p.polpermissive then 'as restrictive' end,
        'for ' || case p.polcmd
            when 'r' then 'select'
            when 'a' then 'insert'
            when 'w' then 'update'
            when 'd' then 'delete'
            else 'all'
        end,
        'to ' || r.roles,
        'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
    ) as definition,
    '{}'::text[] as parts
from pg_policy as p
join pg_class as c on c.oid = p.polrelid
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
    select string_agg(
        case u.oid when 0 then 'public' else u.oid::regrole::text end, ', ' order by u.oid
    ) as roles
    from unnest(p.polroles) as u (oid)
) as r
where n.nspname !~ '^(pg_|information_schema$)'
    and c.oid not in (
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e'
    )
order by p.oid;
