-- What is asked of a server that has just let somebody in.

-- name: greeting :one
-- Who is served by whom.
select
    pg_backend_pid() as pid,
    current_user::text as role_name,
    current_database()::text as database_name,
    current_setting('server_version') as server_version,
    pg_is_in_recovery() as is_standby;

-- name: database_exists :one -> scalar
-- Whether there is a database of that name.
select exists (select from pg_database where datname = :name::text);
