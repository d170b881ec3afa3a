-- What changes members: users in a table without checks and triggers, which would nearly double
-- what the server does, and so hide what the clients differ by.

-- name: set_age :one -> User
update members
set age = :age, updated_at = now()
where id = :id
returning id, email, name, age, active, inserted_at, updated_at;

-- name: change_age :affected
update members
set age = :age, updated_at = now()
where id = :id;
