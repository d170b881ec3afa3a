-- What is asked of a server after the login.

-- name: greeting :one
-- Who is served where: no function is called, as the role may be refused any of them.
select
    current_user::text as role_name,
    current_catalog::text as database_name;

-- name: database_exists :one -> scalar
-- Whether there is a database of that name.
select exists (select from pg_database where datname = :name::text);
