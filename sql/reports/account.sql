-- name: overview :maybe -> Account
-- @idempotent
-- A user with the newest preferences: columns named "preferences.x" become a record of their own.
select
    users.id,
    users.email,
    users.name,
    newest.theme as "preferences.theme",
    newest.notifications_enabled as "preferences.notifications_enabled"
from users
left join lateral (
    select theme, notifications_enabled
    from user_preferences
    where user_preferences.user_id = users.id
    order by user_preferences.id desc
    limit 1
) as newest on true
where users.id = :id;
