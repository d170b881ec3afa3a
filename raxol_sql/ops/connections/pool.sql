-- What a server lets in, and who is in. Who asks is left out, with all that have the same name: it
-- goes again. Who may not see the sessions of other roles is still told that they are there.

-- name: slots :one
-- How many sessions there may be, and how many there are.
select
    current_setting('max_connections')::integer as most,
    current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true), '0')::integer as reserved,
    (
        select count(*)::integer from pg_stat_activity
        where coalesce(backend_type, 'client backend') = 'client backend'
            and datid is not null
            and application_name <> current_setting('application_name')
    ) as used,
    -- These bind no superuser.
    case when not r.rolsuper and d.datconnlimit >= 0 then d.datconnlimit end as most_of_database,
    case when not r.rolsuper and r.rolconnlimit >= 0 then r.rolconnlimit end as most_of_role
from pg_database as d
join pg_roles as r on r.rolname = current_user
where d.datname = current_database();

-- name: sessions :many
-- Who is in, and what they do: the age in seconds of the oldest session of each kind. What the
-- server hides from this role is NULL.
select
    application_name,
    coalesce(datname, '') as database_name,
    case when backend_type is not null then coalesce(state, 'starting') end as state,
    count(*)::integer as sessions,
    extract(epoch from clock_timestamp() - min(backend_start))::float8 as oldest
from pg_stat_activity
where coalesce(backend_type, 'client backend') = 'client backend'
    and datid is not null
    and application_name <> current_setting('application_name')
group by 1, 2, 3
order by sessions desc, 1, 2, 3;

-- name: instances :many
-- From how many addresses a program is connected to this database, and how often from each.
select
    coalesce(host(client_addr), '') as client,
    count(*)::integer as sessions
from pg_stat_activity
where datname = current_database()
    and application_name = :application::text
    and coalesce(backend_type, 'client backend') = 'client backend'
group by 1
order by 1;

-- name: backend :one -> scalar
-- Which process of the server serves this session.
select pg_backend_pid();
