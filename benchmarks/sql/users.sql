-- What all contenders ask of the table users. The others get these very texts, with parameters
-- written in their own way.

-- name: get :one -> User
select id, email, name, age, active, inserted_at, updated_at
from users
where id = :id;

-- name: page :many -> User
select id, email, name, age, active, inserted_at, updated_at
from users
order by id
limit :limit;

-- name: dump :copy
copy (
    select id, email, name, age, active, inserted_at, updated_at
    from users
    order by id
) to stdout;
