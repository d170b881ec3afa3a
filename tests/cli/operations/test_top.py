"""`raxol-sql top`: printed once, as JSON, and live in a terminal (C2, C3, M1)."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from raxol_sql.cli.operations.figures import age, milliseconds, number, one_line, percent
from raxol_sql.cli.operations.top_view import Frame, lock_of, role, view
from raxol_sql.ops.activity.activity import Moment, Pool, Server, Session, Wait
from raxol_sql.ops.activity.naming import Label
from raxol_sql.ops.activity.rates import QueryRate, Rates
from raxol_sql.testing import FaultServer

RaxolSQL = Callable[..., Any]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def busy(migrated: str) -> Iterator[str]:
    """The configured database, with a session that keeps a transaction open."""
    with psycopg.connect(migrated, application_name="forgotten") as connection:
        connection.execute("select name from users where name = 'hunter2'")
        yield migrated


@pytest.mark.usefixtures("project", "busy")
def test_once_prints_plain_tables_and_ends(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("top", "--once", "--interval", "0.2")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert not [line for line in ran.out.splitlines() if line != line.rstrip() or len(line) > 120]
    for words in (
        r"^using .*, database raxol_test_\d+$",
        r"^raxol_test_\d+  PostgreSQL [\d.]+, primary, up .* every 0\.2 s$",
        r"^connections [━─]+ \d+ of \d+   size [\d.]+ MB   cache hit ",
        r"^sessions .* 1 idle in transaction ",
        r"^per second  [\d.]+ commits   0 rollbacks   0 B temp files .*deadlocks \d+",
        r"^locks: nobody waits for one ─+$",
        r"^queries, sampled, pg_stat_statements is not installed: none ran ─+$",
        r"^ +\d+ .* idle in trans\. .* forgotten +\w+ +select name from users where name = \?$",
        r"^ +1 +0 +0 +1 +0 forgotten$",
    ):
        assert re.search(words, ran.out, re.MULTILINE), words
    assert "hunter2" not in ran.out


@pytest.mark.usefixtures("project", "busy")
def test_without_a_terminal_it_prints_one_interval_or_as_many_as_asked_for(
    raxol_sql: RaxolSQL,
) -> None:
    assert raxol_sql("top", "--interval", "0.1").out.count("PostgreSQL") == 1
    assert raxol_sql("top", "--interval", "0.1", "--count", "3").out.count("PostgreSQL") == 3


@pytest.mark.usefixtures("project", "busy")
def test_json_is_a_document_a_line(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("top", "--format", "json", "--interval", "0.1", "--count", "2")
    assert ran.code == 0
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert len(documents) == 2
    for one in documents:
        assert one["error"] is None
        assert one["server"]["database"].startswith("raxol_test_")
        assert one["server"]["connections_used"] < one["server"]["connections_usable"]
        assert 0.05 < one["rates"]["seconds"] < 10
        assert one["rates"]["commits_per_second"] >= 0
        assert one["sessions_by_state"]["idle in transaction"] == 1
        assert one["queries_from"] == "pg_stat_activity"
        (session,) = one["sessions"]
        assert session["statement"] == "select name from users where name = ?"
        assert (session["query"], session["state"]) == (None, "idle in transaction")
        (pool,) = [pool for pool in one["pools"] if pool["application"] == "forgotten"]
        assert (pool["total"], pool["in_transaction"]) == (1, 1)
    assert "hunter2" not in ran.out
    assert len(raxol_sql("top", "--format", "json", "--interval", "0.1", "--once").out) > 100


def test_queries_are_called_by_the_project_s_names_and_by_tags(
    raxol_sql: RaxolSQL, project: Path, migrated: str
) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("create extension pg_stat_statements")
    words = [sys.executable, "-m", "raxol_sql", "top", "--format", "json", "--interval", "0.3"]
    with subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            found = json.loads(running.stdout.readline())
            assert found["queries_from"] == "pg_stat_statements"
            assert found["queries"] == []
            for _ in range(5):
                assert raxol_sql("run", "users.get", "id=1").code == 0
            with psycopg.connect(migrated, autocommit=True) as connection:
                connection.execute("select 41 + 1 /*query='reports.sum'*/")
            seen: dict[str, float] = {}
            while {"users.get", "reports.sum"} - seen.keys():
                found = json.loads(running.stdout.readline())
                for one in found["queries"]:
                    calls = one["calls_per_second"] * found["rates"]["seconds"]
                    seen[one["query"]] = seen.get(one["query"], 0) + calls
        finally:
            running.terminate()
    assert seen["users.get"] == pytest.approx(5, abs=0.01)
    assert seen["reports.sum"] == pytest.approx(1, abs=0.01)


def test_without_queries_of_a_project_statements_are_shown_by_their_texts(
    raxol_sql: RaxolSQL, project: Path, busy: str
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "nowhere"')
    ran = raxol_sql("top", "--once", "--interval", "0.1")
    assert ran.code == 0
    assert "none ran, without names" in ran.out
    assert "queries have no names: " in ran.err
    assert "nowhere" in ran.err


@pytest.mark.usefixtures("project", "busy")
def test_a_picture_is_written_of_what_is_seen(raxol_sql: RaxolSQL, tmp_path: Path) -> None:
    ran = raxol_sql("top", "--svg", "seen.svg", "--interval", "0.1")
    assert ran.code == 0
    text = (tmp_path / "seen.svg").read_text(encoding="utf-8")
    words = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
    assert "raxol-sql top" in words
    assert "forgotten" in words
    assert "hunter2" not in words


@pytest.mark.usefixtures("project")
def test_a_server_that_never_was_there_is_exit_code_3(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    ran = raxol_sql("top")
    assert (ran.code, "Could not connect" in ran.err) == (3, True)


@pytest.mark.usefixtures("project", "migrated")
@pytest.mark.parametrize("words", [["--interval", "0.05"], ["--count", "0"]])
def test_options_that_make_no_sense_are_refused(raxol_sql: RaxolSQL, words: list[str]) -> None:
    assert raxol_sql("top", *words).code == 2


class Terminal:
    """A terminal of 80 columns and 24 lines with a command in it."""

    def __init__(self, controller: int, running: subprocess.Popen[bytes], before: object) -> None:
        self.running = running
        self.before = before
        self.controller = controller
        self.written = ""

    def await_text(self, words: str) -> None:
        """Reads on until these words came, after what was read before."""
        deadline, start = time.monotonic() + 20, len(self.written)
        while words not in self.written[start:]:
            assert time.monotonic() < deadline, f"{words!r} never came: {self.written[-2000:]!r}"
            self._read()

    def press(self, keys: str) -> None:
        os.write(self.controller, keys.encode())

    def ended(self) -> int:
        """The exit code, when it has ended."""
        deadline = time.monotonic() + 20
        while self.running.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self._read()
        self._read()
        return self.running.returncode

    def is_as_before(self) -> bool:
        """Whether the terminal is set as it was, shows its cursor and its own screen."""
        order = [self.written.rfind(f"\x1b[?{one}") for one in ("1049h", "1049l", "25l", "25h")]
        return (
            termios.tcgetattr(self.controller) == self.before
            and -1 < order[0] < order[1]
            and -1 < order[2] < order[3]
        )

    def _read(self) -> None:
        if select.select([self.controller], [], [], 0.05)[0]:
            self.written += os.read(self.controller, 65536).decode(errors="replace")


# Ctrl-C is for the processes to whom the terminal belongs.
IN_FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "raxol_sql", "top", *sys.argv[1:]])
"""


@contextmanager
def in_terminal(folder: Path, *words: str) -> Iterator[Terminal]:
    controller, terminal = pty.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, 80))
        before = termios.tcgetattr(controller)
        running = subprocess.Popen(
            [sys.executable, "-c", IN_FOREGROUND, *words],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        try:
            yield Terminal(controller, running, before)
        finally:
            running.kill()
            running.wait()
    finally:
        os.close(terminal)
        os.close(controller)


@pytest.mark.usefixtures("busy")
def test_live_it_goes_on_holds_the_picture_and_ends_on_q(project: Path) -> None:
    with in_terminal(project, "--interval", "0.2") as terminal:
        terminal.await_text("q quits, space pauses")
        terminal.await_text("forgotten")
        assert termios.tcgetattr(terminal.controller) != terminal.before
        terminal.press(" ")
        terminal.await_text("paused: space goes on, q quits")
        terminal.press("x\x1b[A")
        terminal.press(" ")
        terminal.await_text("q quits, space pauses")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.written
        assert "hunter2" not in terminal.written


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda terminal: terminal.press("\x03"), 0),
        (lambda terminal: terminal.running.send_signal(signal.SIGTERM), 128 + signal.SIGTERM),
        (lambda terminal: terminal.running.send_signal(signal.SIGHUP), 128 + signal.SIGHUP),
    ],
)
def test_the_terminal_is_restored_however_it_ends(
    project: Path, end: Callable[[Terminal], None], code: int
) -> None:
    with in_terminal(project) as terminal:
        terminal.await_text("q quits, space pauses")
        end(terminal)
        assert terminal.ended() == code
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.written


@pytest.mark.usefixtures("busy")
def test_live_it_ends_after_so_many_intervals(project: Path) -> None:
    with in_terminal(project, "--interval", "0.1", "--count", "2") as terminal:
        assert terminal.ended() == 0
        assert terminal.is_as_before()


@pytest.mark.faults
def test_a_server_that_goes_away_is_said_and_watched_again_when_it_is_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as server:
        folder = server.conninfo().split("host=")[1].split()[0]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@/postgres?host={folder}")
        with in_terminal(project, "--interval", "0.2") as terminal:
            terminal.await_text("queries, sampled")
            server.stop()
            terminal.await_text("no answer since")
            server.start()
            terminal.await_text("queries, sampled")
            assert "no answer" not in terminal.written[-1000:]
            terminal.press("q")
            assert terminal.ended() == 0
            assert terminal.is_as_before()


texts = st.text(max_size=60) | st.sampled_from(
    [
        "",
        "\x1b[2J",
        "a\nb\tc",
        "表" * 30,
        "\u202eabc",
        "[red]x[/red]",
        "é" * 80,
        "👩‍👩‍👧" * 9,
        ":x:",
    ]
)
labels = st.builds(Label, texts, st.booleans())
ages = st.none() | st.floats(-5, 1e8)
counts = st.integers(0, 10**6)
pids = st.integers(1, 4_194_304)
states = st.sampled_from(
    ["active", "waiting", "idle in transaction", "idle in transaction (aborted)", "new"]
)
sessions = st.builds(
    Session, pids, texts, texts, texts, st.booleans(), states, st.none() | texts, ages, ages, labels
)
waits = st.builds(
    Wait,
    pids,
    texts,
    st.lists(st.just(0) | pids, max_size=3).map(tuple),
    st.sampled_from(["relation", "tuple", "transactionid", "advisory"]),
    st.sampled_from(["ShareLock", "AccessExclusiveLock", "ShareUpdateExclusiveLock"]),
    st.none() | texts,
    ages,
    labels,
)
pools = st.builds(Pool, texts, counts, counts, counts, counts, counts)
shares = st.floats(0, 1)
figures = st.none() | st.floats(0, 1e9)
query_rates = st.builds(QueryRate, labels, shares, figures, figures, figures)
servers = st.builds(
    Server,
    at=st.just(NOW),
    started_at=st.timedeltas(timedelta(0), timedelta(days=2000)).map(lambda age: NOW - age),
    version=st.sampled_from(["18.6", "19beta1"]),
    database=texts,
    is_standby=st.booleans(),
    behind=ages,
    standbys=st.integers(0, 3),
    connections=counts,
    usable=st.integers(-5, 5000),
    application=texts,
    sees_all=st.booleans(),
    longest_text=st.just(1024),
    commits=counts,
    rollbacks=counts,
    blocks_hit=counts,
    blocks_read=counts,
    temp_bytes=counts,
    deadlocks=counts,
    statements_schema=st.none(),
    counted_since=st.none() | st.just(NOW),
    without_statements=st.none() | st.just("pg_stat_statements is not in shared_preload_libraries"),
)
moments = st.builds(
    Moment,
    servers,
    st.none() | st.integers(0, 10**15),
    st.just(NOW),
    st.lists(sessions, max_size=8).map(tuple),
    st.lists(waits, max_size=4).map(tuple),
    st.lists(pools, max_size=5).map(tuple),
)
rates = st.builds(
    Rates,
    st.floats(0, 100),
    *[figures] * 3,
    st.none() | counts,
    st.none() | shares,
    st.lists(query_rates, max_size=6).map(tuple),
)
frames = st.builds(
    Frame, moments, st.none() | rates, st.floats(0.1, 3600), texts, texts, st.booleans()
)


def drawn(frame: Frame, width: int, height: int | None) -> list[str]:
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    with screen.capture() as captured:
        screen.print(view(frame, width, height))
    return captured.get().split("\n")[:-1]


@given(frames, st.sampled_from([80, 120]), st.sampled_from([None, 24, 40]))
def test_no_line_is_wider_than_the_terminal_and_none_is_lost(
    frame: Frame, width: int, height: int | None
) -> None:
    lines = drawn(frame, width, height)
    assert not [line for line in lines if cell_len(line) > width]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", "".join(lines))
    if height is None:
        for one in frame.moment.sessions:
            assert any(str(one.pid) in line for line in lines)
        return
    assert len(lines) == height
    assert lines[-1].startswith(("q quits", "paused"))
    assert any(line.startswith(("queries, ", "queries of this role, ")) for line in lines)


@given(frames, st.integers(20, 200), st.integers(3, 80))
def test_a_terminal_of_any_size_is_filled_and_not_more(
    frame: Frame, width: int, height: int
) -> None:
    lines = drawn(frame, width, height)
    assert len(lines) == height
    assert not [line for line in lines if cell_len(line) > width]


@given(st.floats(0, 1e7), st.floats(0, 1e9), st.floats(0, 1e6), st.floats(0, 1))
def test_figures_fit_into_their_columns(
    seconds: float, ms: float, rate: float, share: float
) -> None:
    assert len(age(seconds)) <= 7
    assert len(milliseconds(ms)) <= 9
    assert len(number(rate)) <= 9
    assert len(percent(share)) <= 7


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (-3, "0.0 s"),
        (0.34, "0.3 s"),
        (9.96, "10 s"),
        (62, "1m 02s"),
        (3 * 3600 + 60, "3h 01m"),
        (86400 * 5 + 3600, "5d 01h"),
        (86400 * 400, "400 d"),
    ],
)
def test_ages_have_their_units(seconds: float | None, shown: str) -> None:
    assert age(seconds) == shown


def test_other_figures_have_their_units_and_nothing_is_rounded_up_to_all() -> None:
    assert [milliseconds(one) for one in (0.123, 45.67, 1234, 90_000)] == [
        *("0.12 ms", "45.7 ms", "1.23 s", "1m 30s")
    ]
    assert [number(one) for one in (None, 0, 0.5, 99.94, 1234.5)] == [
        "-",
        "0",
        "0.5",
        "99.9",
        "1,234",
    ]
    assert [percent(one) for one in (0, 0.5, 0.99999, 1)] == [
        "0.0 %",
        "50.0 %",
        "99.9 %",
        "100.0 %",
    ]


def test_what_would_command_a_terminal_is_written_out() -> None:
    assert one_line("a\n\tb\x1b[2J\u202ec\u2028") == "a b\\x1b[2J\\u202ec\\u2028"


def test_a_lock_is_said_in_words() -> None:
    wait = Wait(1, "", (2,), "relation", "AccessExclusiveLock", "users", 1.0, Label(""))
    assert lock_of(wait) == "AccessExclusive on users"
    assert lock_of(attrs.evolve(wait, kind="transactionid", mode="ShareLock")) == "row of users"
    assert lock_of(attrs.evolve(wait, kind="tuple", relation=None)) == "end of a transaction"
    assert lock_of(attrs.evolve(wait, kind="advisory")) == "advisory lock, AccessExclusive"
    assert lock_of(attrs.evolve(wait, kind="object", relation=None)) == "AccessExclusive on object"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "primary"),
        ({"standbys": 1}, "primary of 1 standby"),
        ({"standbys": 2}, "primary of 2 standbys"),
        ({"is_standby": True}, "standby"),
        ({"is_standby": True, "behind": 75.0}, "standby, 1m 15s behind"),
    ],
)
@given(server=servers)
def test_a_role_is_said_in_words(server: Server, fields: dict[str, Any], said: str) -> None:
    alone = attrs.evolve(server, is_standby=False, behind=None, standbys=0)
    assert role(attrs.evolve(alone, **fields)) == said
