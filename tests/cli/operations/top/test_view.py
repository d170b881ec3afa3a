"""What `raxol-sql top` draws fits into any terminal, and its figures have their units."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from raxol_sql.cli.operations.figures import age, milliseconds, number, percent
from raxol_sql.cli.operations.top_view import Frame, lock_of, role, view
from raxol_sql.cli.output import one_line
from raxol_sql.ops.activity.activity import Moment, Pool, Server, Session, Wait
from raxol_sql.ops.activity.naming import Label
from raxol_sql.ops.activity.rates import QueryRate, Rates

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
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
