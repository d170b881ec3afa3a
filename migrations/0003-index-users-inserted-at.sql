-- Users in the order in which they came, and the first and the last of them.
-- depends: 0002-create-user-preferences
-- transactional: false

-- A concurrent build waits for every older transaction. It blocks no session until then, and giving up
-- would leave an invalid index behind.
set lock_timeout = 0;

-- What an interrupted build left behind; "create ... if not exists" would accept it as it is,
-- invalid.
drop index concurrently if exists users_inserted_at_index;

create index concurrently users_inserted_at_index on users (inserted_at, id);
