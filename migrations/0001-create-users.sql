-- The users, and the trigger function that keeps updated_at moving.

create table users (
    id bigint generated always as identity primary key,
    email text not null,
    name varchar(255) not null,
    age integer,
    active boolean not null default true,
    inserted_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),

    -- ^[^\s@]+@[^\s@]+\.[^\s@]+$ over the whole text, said in two halves. What \s means depends
    -- on the server's locale, so the second half spells it out: the code points of Python's \s,
    -- in a UTF8 database.
    constraint users_email_format check (
        email ~ '^[^@]+@[^@]+\.[^@]+$'
        and email !~
            '[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680'
            '\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]'
    ),
    constraint users_age_positive check (age > 0)
);

create unique index users_email_index on users (email);

-- A trigger, and not the queries alone, because psql and other programs update rows as well. It
-- leaves alone an update that sets updated_at, and one that changes nothing.
create function touch_updated_at() returns trigger
language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end
$$;

create trigger users_touch_updated_at
    before update on users
    for each row
    when (old.* is distinct from new.* and old.updated_at = new.updated_at)
    execute function touch_updated_at();
