-- The queries of the table users. Everything here is plain SQL: psql runs it as it is.

-- name: get :maybe -> User
-- @idempotent
-- One user by primary key.
select id, email, name, age, active, inserted_at, updated_at
from users
where id = :id;

-- name: get_by_email :maybe -> User
-- @idempotent
-- One user by e-mail address, as it is spelled.
select id, email, name, age, active, inserted_at, updated_at
from users
where email = :email;

-- name: all :many -> User
-- @idempotent
-- Every user, in the order of arrival.
select id, email, name, age, active, inserted_at, updated_at
from users
order by id;

-- name: first :maybe -> User
-- @idempotent
select id, email, name, age, active, inserted_at, updated_at
from users
order by id
limit 1;

-- name: last :maybe -> User
-- @idempotent
select id, email, name, age, active, inserted_at, updated_at
from users
order by id desc
limit 1;

-- name: search :many -> User
-- @idempotent
-- @timeout 2s
-- Users by any combination of filters, a page at a time.
select id, email, name, age, active, inserted_at, updated_at
from users
where true
    /*? name */ and name ilike '%' || :name || '%' /*?*/
    /*? min_age */ and age >= :min_age /*?*/
    /*? ids */ and id = any(:ids) /*?*/
    /*? only_active */ and active /*?*/
order by /*= sort: newest: inserted_at desc, id desc | name: name, id */ id /*=*/
limit :limit;

-- name: count :one -> scalar
-- @idempotent
select count(*) from users;

-- name: ages :one
-- @idempotent
-- A row without a record gets a generated class with a field for each column.
select
    count(*) as users,
    count(age) as known,
    min(age) as youngest,
    max(age) as oldest,
    round(avg(age), 1) as mean
from users;

-- name: exists_by_email :one -> scalar
-- @idempotent
select exists (select from users where email = :email);

-- name: all_by_active :many -> User
-- @idempotent
select id, email, name, age, active, inserted_at, updated_at
from users
where active = :active
order by id;

-- name: create :one -> User
-- Whether a user is active is left to the table where it is not said.
insert into users (email, name, age /*? active */ , active /*?*/)
values (:email, :name, :age /*? active */ , :active /*?*/)
returning id, email, name, age, active, inserted_at, updated_at;

-- name: upsert :one -> User
-- A user by e-mail address: made, or given this name and age.
insert into users (email, name, age /*? active */ , active /*?*/)
values (:email, :name, :age /*? active */ , :active /*?*/)
on conflict (email) do update
set name = excluded.name, age = excluded.age /*? active */ , active = excluded.active /*?*/
returning id, email, name, age, active, inserted_at, updated_at;

-- name: update :maybe -> User
-- Changes what is given, and leaves the rest; no row, no change.
update users
set
    updated_at = now()
    /*? email */ , email = :email /*?*/
    /*? name */ , name = :name /*?*/
    /*? age */ , age = :age /*?*/
    /*? active */ , active = :active /*?*/
where id = :id
returning id, email, name, age, active, inserted_at, updated_at;

-- name: delete :maybe -> User
delete from users
where id = :id
returning id, email, name, age, active, inserted_at, updated_at;

-- name: deactivate_older_than :affected
-- @idempotent
update users
set active = false, updated_at = now()
where active and age > :age;

-- name: clear :exec
-- Removes every user, and what belongs to them.
truncate users restart identity cascade;

-- name: load :copy
copy users (email, name, age) from stdin;

-- name: dump :copy
copy (select id, email, name from users order by id) to stdout with (format csv, header);
