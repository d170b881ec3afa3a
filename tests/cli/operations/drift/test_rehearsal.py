"""`raxol-sql migrations --check`: each migration there and back and there again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.operations.drift.conftest import Run, write


def test_the_repositorys_own_migrations_lead_there_and_back_and_there(
    raxol_sql: Run, scratches: Callable[[], int]
) -> None:
    ran = raxol_sql("migrations", "--check")

    assert ran.code == 0
    assert "6 migrations applied, 6 rolled back and applied again" in ran.out
    assert scratches() == 0


def test_a_forgotten_index_is_a_finding_and_its_remedy_is_one(raxol_sql: Run, own: Path) -> None:
    up = "alter table users add tag text;\ncreate index users_name_index on users (name);"
    write(own, "0007-tags", up, "alter table users drop tag;\n")

    ran = raxol_sql("migrations", "--check")
    told = raxol_sql("migrations", "--check", "--format", "json")
    remedy = json.loads(told.out)[0]["remedy"]
    place, _, statement = remedy.removeprefix("write into ").partition(":\n")
    with Path(place).open("a") as file:
        file.write(statement)
    after = raxol_sql("migrations", "--check")

    assert (ran.code, told.code, after.code) == (1, 1, 0)
    assert "0007-tags" in ran.out
    assert "leaves the index public.users_name_index" in ran.out


def test_an_irreversible_migration_is_a_warning(raxol_sql: Run, own: Path) -> None:
    (own / "0004-create-raxol-outcomes.rollback.sql").unlink()

    ran = raxol_sql("migrations", "--check")

    assert ran.code == 0
    assert "WARN  rollback" in ran.out
    assert "irreversible: it was not rolled back, nor were the 3 before it" in ran.out
    assert "6 migrations applied, 2 rolled back and applied again" in ran.out


def test_only_a_check_is_server_wide(raxol_sql: Run) -> None:
    ran = raxol_sql("migrations", "--server-wide")

    assert ran.code == 2
    assert "--server-wide is for --check" in ran.err
