-- The marker rows of transactions with commit_check = 'marker': each writes one, which is there if
-- and only if it has happened. A tombstone stands for one that was looked for and found missing,
-- so that it cannot happen later. Rows go by age, with db.purge_outcomes(days), which keeps how
-- far that went in the row whose key is all zeros.
-- depends: 0003-index-users-inserted-at

create table raxol_outcomes (
    key uuid primary key,
    is_tombstone boolean not null default false,
    created_at timestamptz not null default now()
);

create index raxol_outcomes_created_at_index on raxol_outcomes (created_at);
