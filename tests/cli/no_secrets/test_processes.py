"""Processes of the command line show no secret: not by what they are called, nor in a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.testing import FaultServer
from tests.cli.no_secrets.conftest import (
    PLACES,
    QUOTED,
    SECRET,
    Address,
    leaks,
    write,
    written_by_commands,
)
from tests.cli.no_secrets.every_command import LINES

RaxolSQL = Callable[..., Any]

PATIENCE = 60.0
# With all that Python itself has to say: warnings, and what was left open.
COMMAND = [sys.executable, "-X", "dev", "-m", "raxol_sql"]
# A module of records that reads the variables as a service does.
MODULE = """\
import os

import attrs

url = os.environ["DATABASE_URL"]


@attrs.frozen
class User:
    name: str

    @classmethod
    def changeset(cls, of, given):
        password = url.partition("@")[0]
        {mistake}
"""
LITERAL = QUOTED.replace("%", "")
MISTAKES = {
    "a name": "return password.no_such_thing",
    "a text": 'raise RuntimeError(f"no connection to {url}")',
    "a line": f'return dict(password="{LITERAL}")["user"]',
    "another": 'raise KeyError(url) from RuntimeError(f"password={password}")',
}
URL = f"postgresql://me:{QUOTED}@127.0.0.1/mine"
RAW = f"postgresql://me:{SECRET}@127.0.0.1/mine"
WORDS = make_conninfo(host="127.0.0.1", user="me", password=SECRET)


def _ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False
    )


def _processes(pid: int) -> Iterator[str]:
    """What the system tells of a process and its children: how they were called, and with what."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (str(pid), *below):
        yield Path(f"/proc/{one}/cmdline").read_text(errors="replace")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_crash_in_a_rule_shows_where_and_no_secret(
    mistake: str, folder: Path, nowhere: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PLACES["a URL"](nowhere), folder, monkeypatch)
    (folder / "crashing.py").write_text(MODULE.format(mistake=MISTAKES[mistake]))
    file = folder / "raxol_sql.toml"
    file.write_text(file.read_text().replace("raxol_sql.demo.accounts", "crashing"))

    ran = _ran("validate", "User", "{}")

    assert ran.returncode == 1
    assert "Traceback (most recent call last)" in ran.stderr
    assert "crashing.py" in ran.stderr
    assert not leaks(ran.stdout + ran.stderr)


@pytest.mark.parametrize("words", [URL, f"'{URL}' is none", RAW, WORDS])
def test_a_module_of_records_that_says_a_secret_is_not_repeated(
    words: str, folder: Path, nowhere: Address, raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PLACES["a URL"](nowhere), folder, monkeypatch)
    (folder / "failing.py").write_text(f"raise ValueError({words!r})\n", encoding="utf-8")
    file = folder / "raxol_sql.toml"
    file.write_text(file.read_text().replace("raxol_sql.demo.accounts", "failing"))
    monkeypatch.syspath_prepend(folder)

    seen = 0
    for line in LINES:
        ran = raxol_sql(*line.formatted("json"))
        seen += "the module failing cannot be imported: ValueError" in ran.out + ran.err
        assert not leaks(ran.out + ran.err), line
    assert seen > 5


def test_the_embedded_server_gets_none_of_the_secrets_of_who_starts_it(
    folder: Path, nowhere: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("RAXOL_DB_PASS", "PGPASSWORD", "a URL", "common"):
        write(PLACES[place](nowhere), folder, monkeypatch)

    ran = _ran("server", "start")

    running = embedded.status(folder)
    assert running is not None
    variables = Path(f"/proc/{running.pid}/environ").read_text(errors="replace")
    assert "PATH=" in variables
    assert not leaks("".join([ran.stdout, ran.stderr, variables, *_processes(running.pid)]))
    for name, text in written_by_commands(folder):
        assert not leaks(text), name


def test_a_command_at_work_is_called_by_no_secret(
    folder: Path, there: Address, gate: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PLACES["other secrets"](there), folder, monkeypatch)
    known = gate.log.stat().st_size
    words = ["top", "--interval", "0.2", "--format", "json"]
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            with psycopg.connect(gate.conninfo()) as connection:
                rows = connection.execute(
                    "select pid, to_jsonb(a)::text from pg_stat_activity as a where usename = %s",
                    [there.user],
                ).fetchall()
            called = [Path(f"/proc/{pid}/cmdline").read_text() for pid, _ in rows]
            called += _processes(process.pid)
        finally:
            process.terminate()
            rest = "".join(process.communicate(timeout=PATIENCE))

    assert len(rows) == 1
    assert first.startswith("{")
    assert not leaks("".join([first, rest, *called, *(row for _, row in rows)]))
    assert not leaks(gate.log.read_bytes()[known:].decode())


@pytest.mark.parametrize("words", [["ping"], ["migrate"], ["run", "users.get", "id=1"]])
def test_a_process_that_is_turned_away_shows_no_secret(
    words: list[str], folder: Path, there: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = attrs.evolve(there, user="turned_away")
    write(PLACES["a password file"](at), folder, monkeypatch)

    ran = _ran(*words)

    assert ran.returncode == 3
    assert not leaks(ran.stdout + ran.stderr)
