-- What is written into newcomers: users in a table without checks and indexes, so that the time
-- goes into what is compared.

-- name: add :exec
insert into newcomers (email, name, age)
values (:email, :name, :age);

-- name: load :copy
copy newcomers (email, name, age, active, inserted_at, updated_at) from stdin;

-- name: load_binary :copy
copy newcomers (email, name, age, active, inserted_at, updated_at) from stdin (format binary);
