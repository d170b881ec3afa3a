-- Who may do what, as far as this role may know.

-- name: role :one
-- @timeout 5s
-- What the role of this session may do besides reading and writing rows.
select
    r.rolname::text as name,
    r.rolsuper as is_superuser,
    array(
        select u.attribute
        from (
            values
                ('createrole', r.rolcreaterole),
                ('createdb', r.rolcreatedb),
                ('replication', r.rolreplication),
                ('bypassrls', r.rolbypassrls)
        ) as u (attribute, is_given)
        where u.is_given
    ) as attributes,
    (
        select count(*)
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm')
            and n.nspname <> 'information_schema'
            and n.nspname !~ '^pg_'
            and pg_has_role(c.relowner, 'usage')
    ) as owned,
    array(
        select n.oid::regnamespace::text
        from pg_namespace as n
        where n.nspname = any(current_schemas(false))
            and has_schema_privilege(n.oid, 'create')
        order by 1
    ) as creates_in
from pg_roles as r
where r.rolname = current_user;

-- name: public_schemas :many
-- @timeout 5s
-- The schemas in which everybody can create something.
select n.oid::regnamespace::text as name
from pg_namespace as n
where n.nspname !~ '^pg_(toast|temp)' and has_schema_privilege('public', n.oid, 'create')
order by 1;

-- name: line :maybe
-- @timeout 5s
-- How this session came: without an address through a Unix socket.
select
    s.ssl as is_encrypted,
    s.version,
    a.client_addr is null as is_socket,
    coalesce(a.client_addr <<= '127.0.0.0/8' or a.client_addr = '::1', false) as is_loopback,
    host(a.client_addr) as address
from pg_stat_activity as a
join pg_stat_ssl as s on s.pid = a.pid
where a.pid = pg_backend_pid();

-- name: password_encryption :one -> scalar
-- @timeout 5s
-- How a new password is kept.
select current_setting('password_encryption');

-- name: logins :many
-- @timeout 5s
-- The roles that may log in, and how their passwords are kept, which only superusers may know.
select
    a.rolname::text as name,
    a.rolpassword is null as has_none,
    coalesce(a.rolpassword ~ '^md5', false) as is_md5
from pg_authid as a
where a.rolcanlogin
order by 1;
