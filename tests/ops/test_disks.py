"""A disk that fills up is seen before and when it is full, where it can be seen at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.ops.diagnosis import disks
from raxol_sql.ops.diagnosis.diagnosis import diagnose
from raxol_sql.ops.diagnosis.disks import Disk, of_disks, of_places
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status

SPACE = "raxol_small_disk"


@pytest.fixture
def filled(database: str, small_disk: Path) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with a table on the small disk."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create tablespace {SPACE} location '{small_disk}'")
        try:
            connection.execute(f"create table kept (word text) tablespace {SPACE}")
            yield connection
        finally:
            connection.execute("drop table kept")
            connection.execute("checkpoint")
            connection.execute(f"drop tablespace {SPACE}")


def _diagnosed(conninfo: str) -> list[Finding]:
    with rx.Database.open(conninfo, pool_size=1, pool_min_size=1) as db:
        subject = Subject.of(db, db.config, conninfo, Limits(), lambda: rx.Queries([]))
        return [one for one in diagnose(subject, [disks.GROUP]) if one.check == "disk"]


def test_a_disk_on_which_writes_fail_is_named_with_what_is_left(
    database: str, filled: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.DiskFull):
        filled.execute("insert into kept select repeat('x', 1000) from generate_series(1, 9000)")

    (found,) = [one for one in _diagnosed(database) if one.status is not Status.OK]

    assert found.status is Status.FAIL
    assert found.message.startswith(f"the tablespace {SPACE}: ")
    assert "53100" in found.remedy


def test_a_disk_with_room_is_told_in_one_line(database: str) -> None:
    (found,) = _diagnosed(database)

    assert (found.status, found.remedy) == (Status.OK, "")
    assert " left" in found.message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("the data", "/", False)], "another machine"),
        ([("the data", None, True)], "cannot be seen"),
        ([("the data", "/no/such/place", True)], "cannot be seen"),
    ],
)
def test_what_cannot_be_seen_is_skipped_with_the_reason(rows: list[Any], said: str) -> None:
    asked: Any = SimpleNamespace(limits=Limits())
    told = [SimpleNamespace(name=name, path=path, is_here=here) for name, path, here in rows]

    (found,) = of_places(asked, told)

    assert found.status is Status.SKIP
    assert said in found.message
    assert found.remedy.startswith("df -h")


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 10**12)), min_size=1))
def test_every_disk_above_a_limit_is_told_and_else_the_fullest(
    sizes: list[tuple[int, int]],
) -> None:
    given_ = [
        Disk(f"disk {number}", total, min(free, total))
        for number, (free, total) in enumerate(sizes)
    ]
    limits = Limits()

    found = [*of_disks(given_, limits)]

    above = [disk for disk in given_ if disk.percent > limits.disk_warn_percent]
    failing = [disk for disk in above if disk.percent > limits.disk_fail_percent]
    assert len(found) == max(1, len(above))
    assert sum(one.status is Status.FAIL for one in found) == len(failing)
    assert all((one.status is Status.OK) is (not above) for one in found)
