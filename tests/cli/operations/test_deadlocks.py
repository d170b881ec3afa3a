"""`raxol-sql deadlocks`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project", "empty")

PATIENCE = 60.0
COMMAND = [sys.executable, "-m", "raxol_sql", "deadlocks"]


def until(found: Callable[[], Any]) -> Any:
    """What ``found`` gives as soon as it is something."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "it has not come in time"
        time.sleep(0.02)
    return value


@pytest.fixture
def side(empty: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit, on a database with two rows in one table."""
    with psycopg.connect(empty, autocommit=True, application_name="side") as connection:
        connection.execute("create table notes (id int primary key, body text)")
        connection.execute("insert into notes values (1, 'a'), (2, 'b')")
        yield connection


@contextmanager
def waiting(empty: str, statement: str) -> Iterator[int]:
    """The pid of a session that runs a statement in a thread, which ends however it may."""
    with psycopg.connect(empty, application_name="waiter") as connection:

        def run() -> None:
            try:
                connection.execute(statement)  # type: ignore[arg-type]
            except psycopg.errors.DeadlockDetected:
                connection.rollback()

        thread = Thread(target=run)
        thread.start()
        try:
            yield connection.info.backend_pid
        finally:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def jam(empty: str, side: psycopg.Connection[Any]) -> Iterator[tuple[int, int]]:
    """The pids of a session that holds a table, and of one that waits for it, while they last."""
    # A test may have the holder ended.
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(empty, application_name="holder") as holder,
    ):
        holder.execute("lock table notes")
        pid = holder.info.backend_pid
        with waiting(empty, "select 1 from notes where body = 'secret'") as waiter:
            until(lambda: side.execute(
                "select 1 from pg_locks where not granted and pid = %s", [waiter]).fetchone()
            )  # fmt: skip
            yield pid, waiter
            holder.rollback()


def is_gone(side: psycopg.Connection[Any], pid: int) -> bool:
    found = side.execute("select 1 from pg_stat_activity where pid = %s", [pid])
    return found.fetchone() is None


def provoke(empty: str, side: psycopg.Connection[Any]) -> None:
    """A deadlock of two sessions, by locks on rows in opposite order."""
    update = "update notes set body = body where id = {}"
    with psycopg.connect(empty) as first:
        first.execute("set local deadlock_timeout = '10s'")
        first.execute(update.format(1))
        both = f"{update.format(2)}; {update.format(1)}"
        with waiting(empty, f"set local deadlock_timeout = '50ms'; {both}") as pid:
            until(lambda: side.execute(
                "select 1 from pg_locks where not granted and pid = %s", [pid]).fetchone()
            )  # fmt: skip
            first.execute(update.format(2))
        first.rollback()
    until(lambda: side.execute(
        "select 1 from pg_stat_database where datname = current_database() and deadlocks > 0"
    ).fetchone())  # fmt: skip


@pytest.mark.usefixtures("side")
def test_where_nobody_waits_all_is_well(raxol_sql: Run) -> None:
    ran = raxol_sql("deadlocks")
    assert ran.code == 0
    assert re.search(r"^0 deadlocks in raxol_test_\d+, never reset$", ran.out, re.MULTILINE)
    assert ran.out.endswith("no lock waits\n")


def test_who_waits_longer_than_the_limit_is_shown_below_the_one_in_the_way(
    raxol_sql: Run, jam: tuple[int, int]
) -> None:
    holder, waiter = jam
    ran = raxol_sql("deadlocks", "--min-wait", "0")
    assert ran.code == 1
    lines = ran.out.splitlines()
    (above,) = (number for number, line in enumerate(lines) if line.startswith(f"{holder} "))
    below = lines[above + 1]
    assert below.startswith(f"└─ {waiter} ")
    assert f" {holder} " in below
    assert "AccessShareLock on relation" in below
    assert "lock table notes" in lines[above]
    assert "idle in transaction" in lines[above]
    assert "select ? from notes where body = ?" in below
    assert lines[-1] == "1 waiting, 1 of them for more than 0 s"
    assert "secret" not in ran.out


def test_a_short_wait_is_shown_and_is_no_finding(raxol_sql: Run, jam: tuple[int, int]) -> None:
    holder, waiter = jam
    ran = raxol_sql("deadlocks", "--min-wait", "600", "--format", "json")
    shown = json.loads(ran.out)
    (one,) = shown["waiting"]
    assert (ran.code, shown["waiting_too_long"]) == (0, 0)
    assert one["session"]["pid"] == waiter
    assert [by["pid"] for by in one["blocked_by"]] == [holder]
    assert one["lock"] == {"kind": "relation", "mode": "AccessShareLock", "relation": "notes"}
    assert 0 < one["seconds"] < PATIENCE


def test_a_deadlock_is_told_of_once_by_those_that_keep_the_count(
    raxol_sql: Run, empty: str, side: psycopg.Connection[Any], tmp_path: Path
) -> None:
    words = ["deadlocks", "--since", str(tmp_path / "kept.json"), "--format", "json"]

    def told() -> tuple[int, object, object]:
        ran = raxol_sql(*words)
        shown = json.loads(ran.out)
        return ran.code, shown["new"], shown["note"]

    assert told() == (0, None, "counting begins here")
    assert told() == (0, 0, "")
    provoke(empty, side)
    assert told() == (1, 1, "")
    assert told() == (0, 0, "")
    side.execute("select pg_stat_reset()")
    code, new, note = told()
    assert (code, new, "was reset" in str(note)) == (0, 0, True)
    assert told() == (0, 0, "")
    ran = raxol_sql("deadlocks", "--since", str(tmp_path / "kept.json"))
    assert re.search(r"^0 deadlocks in \w+, since \d{4}-.*, 0 new$", ran.out, re.MULTILINE)


@pytest.mark.usefixtures("side")
def test_a_count_of_another_database_is_recognised(
    raxol_sql: Run, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.json"
    raxol_sql("deadlocks", "--since", str(kept))
    monkeypatch.setenv("DATABASE_URL", server.conninfo("postgres"))
    ran = raxol_sql("deadlocks", "--since", str(kept))
    assert ran.code == 0
    assert re.search(r"of another database, raxol_test_\d+: counting starts again", ran.out)
    assert json.loads(kept.read_text())["name"] == "postgres"


def test_wrong_use_exits_with_2(raxol_sql: Run, project: Path) -> None:
    (project / "kept.json").write_text("{}")
    for words, says in [
        (["--interval", "1"], "--watch"),
        (["--count", "1"], "--watch"),
        (["--terminate", "1", "--watch"], "neither"),
        (["--terminate", "0", "--yes"], "rollback prepared"),
        (["--since", "kept.json"], "holds no count"),
        (["--since", "nowhere/kept.json"], "nowhere"),
    ]:
        ran = raxol_sql("deadlocks", *words)
        assert (ran.code, says in ran.err) == (2, True), words
    assert (project / "kept.json").read_text() == "{}"


def test_watching_repeats_as_often_as_was_asked_for(raxol_sql: Run, jam: tuple[int, int]) -> None:
    words = ["--watch", "--interval", "0.1", "--count", "3", "--min-wait", "0"]
    ran = raxol_sql("deadlocks", *words)
    assert ran.code == 1
    assert ran.out.count("1 waiting") == 3
    ran = raxol_sql("deadlocks", *words, "--format", "json")
    decoder, text, pids = json.JSONDecoder(), ran.out.strip(), []
    while text:
        shown, end = decoder.raw_decode(text)
        text = text[end:].strip()
        pids += [one["session"]["pid"] for one in shown["waiting"]]
    assert pids == [jam[1]] * 3


def test_watching_ends_well_with_ctrl_c_and_tells_of_a_deadlock_meanwhile(
    empty: str, side: psycopg.Connection[Any]
) -> None:
    with subprocess.Popen(
        [*COMMAND, "--watch", "--interval", "0.1"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("no lock waits" in line for line in lines)
        provoke(empty, side)
        assert any(", 1 new" in line for line in lines)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (1, "")


def test_the_session_in_the_way_is_ended_on_demand_and_no_other(
    raxol_sql: Run, side: psycopg.Connection[Any], jam: tuple[int, int]
) -> None:
    holder, waiter = jam
    ran = raxol_sql("deadlocks", "--terminate", str(holder))
    assert (ran.code, "--yes" in ran.err) == (2, True)
    for pid in (waiter, side.info.backend_pid, 2**31 - 1):
        ran = raxol_sql("deadlocks", "--terminate", str(pid), "--yes")
        assert (ran.code, "nothing was done" in ran.err) == (1, True)
    assert not is_gone(side, holder)
    ran = raxol_sql("deadlocks", "--terminate", str(holder), "--yes", "--format", "json")
    shown = json.loads(ran.out)
    assert (ran.code, shown["terminated"]["pid"]) == (0, holder)
    assert shown["was_blocking"] == [waiter]
    assert is_gone(side, holder)
    assert not is_gone(side, waiter)


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 130)])
def test_on_a_terminal_it_asks_before_it_ends_a_session(
    side: psycopg.Connection[Any], jam: tuple[int, int], typed: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--terminate", str(jam[0])], stdin=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{typed}\n".encode())
        _, err = process.communicate(timeout=PATIENCE)
    os.close(ours)
    assert (process.returncode, f"End pid {jam[0]} (holder" in err) == (code, True)
    assert is_gone(side, jam[0]) == (code == 0)


def test_a_role_that_may_not_end_a_session_is_told_so(
    raxol_sql: Run, empty: str, side: psycopg.Connection[Any], jam: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    role = f"onlooker_{conninfo_to_dict(empty)['dbname']}"
    side.execute(f"create role {role} login")  # type: ignore[arg-type]
    try:
        monkeypatch.setenv("DATABASE_URL", make_conninfo(empty, user=role))
        ran = raxol_sql("deadlocks", "--terminate", str(jam[0]), "--yes")
        seen = raxol_sql("deadlocks", "--min-wait", "0")
    finally:
        side.execute(f"drop role {role}")  # type: ignore[arg-type]
    assert (ran.code, "pg_signal_backend" in ran.err) == (4, True)
    assert not is_gone(side, jam[0])
    assert (seen.code, f"└─ {jam[1]} " in seen.out) == (1, True)


def test_a_server_that_is_not_there_ends_with_3(
    raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    assert raxol_sql("deadlocks").code == 3
