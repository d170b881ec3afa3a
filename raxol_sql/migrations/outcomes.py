"""The migration that makes the table of marker rows, for a project that wants them."""

from __future__ import annotations

from pathlib import Path

from raxol_sql.errors import MigrationError
from raxol_sql.migrations.folder import new_migration

UP = """\
-- The marker rows of transactions with commit_check = 'marker': each writes one, which is there if
-- and only if it has happened. A tombstone stands for one that was looked for and found missing,
-- so that it cannot happen later. Rows go by age, with db.purge_outcomes(days), which keeps how
-- far that went in the row whose key is all zeros.{depends}

create table raxol_outcomes (
    key uuid primary key,
    is_tombstone boolean not null default false,
    created_at timestamptz not null default now()
);

create index raxol_outcomes_created_at_index on raxol_outcomes (created_at);
"""
DOWN = "drop table raxol_outcomes;\n"


def new_outcomes(folder: Path) -> tuple[Path, Path]:
    """
    The two new files, as `new_migration` makes them.

    Raises as that does, and MigrationError if there is one that makes the table already.
    """
    for known in folder.glob("*-create-raxol-outcomes.sql"):
        raise MigrationError(f"{known} makes the table of outcomes already: apply that one")
    return new_migration(folder, "create raxol outcomes", up=UP, down=DOWN)
