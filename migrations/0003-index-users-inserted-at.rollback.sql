-- As for the build: the wait blocks no session, and giving up would leave an invalid index behind.
set lock_timeout = 0;

drop index concurrently if exists users_inserted_at_index;
