-- What users prefer. Stricter than what Ecto would create from the same definition: user_id and
-- notifications_enabled are not null, the key is an identity that no insert can overrule, and the
-- timestamps carry a time zone and a default.
-- depends: 0001-create-users

create table user_preferences (
    id bigint generated always as identity primary key,
    user_id bigint not null,
    theme varchar(255),
    notifications_enabled boolean not null default true,
    inserted_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),

    constraint user_preferences_user_id_fkey
        foreign key (user_id) references users on delete cascade
);

-- Not unique: a user may have several rows.
create index user_preferences_user_id_index on user_preferences (user_id);

create trigger user_preferences_touch_updated_at
    before update on user_preferences
    for each row
    when (old.* is distinct from new.* and old.updated_at = new.updated_at)
    execute function touch_updated_at();
