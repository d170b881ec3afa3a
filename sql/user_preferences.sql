-- The queries of the table user_preferences.

-- name: get :maybe -> UserPreferences
-- @idempotent
select id, user_id, theme, notifications_enabled, inserted_at, updated_at
from user_preferences
where id = :id;

-- name: get_by_user_id :maybe -> UserPreferences
-- @idempotent
select id, user_id, theme, notifications_enabled, inserted_at, updated_at
from user_preferences
where user_id = :user_id
order by id desc
limit 1;

-- name: by_user_ids :many -> UserPreferences
-- @idempotent
-- The preferences of many users in one query: an array is the list of an IN.
select id, user_id, theme, notifications_enabled, inserted_at, updated_at
from user_preferences
where user_id = any(:user_ids)
order by user_id, id;

-- name: create :one -> UserPreferences
-- What is left out takes the default of the table.
insert into user_preferences (
    user_id
    /*? theme */ , theme /*?*/
    /*? notifications_enabled */ , notifications_enabled /*?*/
)
values (
    :user_id
    /*? theme */ , :theme /*?*/
    /*? notifications_enabled */ , :notifications_enabled /*?*/
)
returning id, user_id, theme, notifications_enabled, inserted_at, updated_at;

-- name: update :maybe -> UserPreferences
-- Changes what is given, and leaves the rest; no row, no change.
update user_preferences
set
    updated_at = now()
    /*? theme */ , theme = :theme /*?*/
    /*? notifications_enabled */ , notifications_enabled = :notifications_enabled /*?*/
where id = :id
returning id, user_id, theme, notifications_enabled, inserted_at, updated_at;

-- name: delete :maybe -> UserPreferences
delete from user_preferences
where id = :id
returning id, user_id, theme, notifications_enabled, inserted_at, updated_at;

-- name: set_theme :affected
-- @idempotent
update user_preferences
set theme = :theme, updated_at = now()
where user_id = :user_id and theme is distinct from :theme;

-- name: themes :many
-- @idempotent
-- How many users chose each theme, the most chosen first.
select coalesce(theme, 'none') as theme, count(distinct user_id) as users
from user_preferences
group by 1
order by /*= sort: name: 1 */ 2 desc, 1 /*=*/;
