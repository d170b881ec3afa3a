"""What `raxol-sql drift` and `raxol-sql migrations --check` have in common.

Where they cannot do their work, what they leave behind, and the document that shows both.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.cli.operations.drift.conftest import MOODS, Do, Run, write

PATIENCE = 60.0


@pytest.fixture
def humble(migrated: str, do: Do) -> Iterator[str]:
    """The configured database, as a role that may read it, and create no other."""
    do("create role raxol_humble login")
    do("grant select on all tables in schema public to raxol_humble")
    yield make_conninfo(migrated, user="raxol_humble")
    do("drop owned by raxol_humble")
    do("drop role raxol_humble")


def test_no_server_exits_with_3(raxol_sql: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:secret@127.0.0.1:1/none")

    drifted, checked = raxol_sql("drift"), raxol_sql("migrations", "--check")

    assert (drifted.code, checked.code) == (3, 3)
    assert "Could not connect" in drifted.err
    assert "secret" not in drifted.err + checked.err


def test_a_folder_that_cannot_be_read_is_told_without_a_server(
    raxol_sql: Run, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    write(own, "0006-twice", "create table twice ();")

    drifted, checked = raxol_sql("drift"), raxol_sql("migrations", "--check")
    elsewhere = raxol_sql("drift", "--migrations", "nowhere")

    assert (drifted.code, checked.code, elsewhere.code) == (1, 1, 2)
    assert "number 0006 is taken" in drifted.err
    assert "nowhere" in elsewhere.err


@pytest.mark.parametrize("words", [["drift"], ["migrations", "--check"]], ids=["drift", "check"])
def test_a_role_that_may_not_create_a_database_is_told_what_helps(
    raxol_sql: Run, humble: str, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", humble)

    ran = raxol_sql(*words)

    assert ran.code == 4
    assert "permission denied to create database (SQLSTATE 42501)" in ran.err
    assert 'alter role "raxol_humble" createdb' in ran.err


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
@pytest.mark.parametrize("words", [["drift"], ["migrations", "--check"]], ids=["drift", "check"])
def test_the_scratch_database_is_dropped_when_it_is_interrupted(
    own: Path,
    do: Do,
    scratches: Callable[[], int],
    raxol_sql: Run,
    words: list[str],
    sign: int,
    code: int,
) -> None:
    raxol_sql("migrate")
    # It is applied here, and takes its time there.
    write(own, "0006-moods", f"{MOODS}select pg_sleep(30);", "drop type mood;")

    with subprocess.Popen(
        [sys.executable, "-m", "raxol_sql", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not do(
                "select 1 from pg_stat_activity where datname ~ '^raxol_(drift|check)_'"
                " and wait_event = 'PgSleep'"
            ):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.02)
            assert scratches() == 1
            process.send_signal(sign)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert process.returncode == code
    assert "Traceback" not in err
    assert scratches() == 0


def test_the_document_shows_what_is_printed(
    raxol_sql: Run, do: Do, own: Path, repository: Path
) -> None:
    for file in own.glob("0006-*"):
        file.unlink()
    do("alter table users add nick text, alter active set default false")
    do("drop index users_inserted_at_index")
    page = (repository / "docs" / "migrations.md").read_text()
    shown = dict(re.findall(r"^\$ raxol-sql (.+)\n\n((?:.|\n)*?)^```$", page, re.M))

    drifted = raxol_sql("drift")
    up = "alter table users add phone text;\ncreate index users_phone_index on users (phone);"
    write(own, "0006-add-phone", up, "drop index users_phone_index;")
    checked = raxol_sql("migrations", "--check")

    for command, ran in (("drift", drifted), ("migrations --check", checked)):
        # Without the line that says which server it is, and where lines end.
        printed = "".join(ran.out.partition("\n")[2].split())
        said = "".join(shown[command].split()).replace("/srv/shop", str(own.parent))
        assert said == printed
