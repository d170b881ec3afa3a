"""A repo takes enums, composites and JSON as input gives them, and as records have them."""

from __future__ import annotations

import enum
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.scaffold import queries_text
from raxol_sql.schema import describe
from tests.engine.typed.conftest import Addr, Line, Mood


class State(enum.Enum):
    """A state; the labels are its values."""

    ON = "on"
    OFF = "off"


@attrs.frozen
class Thing:
    """A row of things."""

    id: int
    s: State
    moods: list[Mood]
    home: Addr | None
    lines: list[Line]


@pytest.fixture
def repo(own_database: str, tmp_path: Path) -> Any:
    with psycopg.connect(own_database, autocommit=True) as side:
        side.execute(
            "create type state as enum ('on', 'off'); create table things (id bigint primary key "
            "generated always as identity, s state not null, moods mood[] not null, home addr, "
            "lines jsonb not null)"
        )
    with rx.Database.open(own_database) as db:
        (tmp_path / "things.sql").write_text(queries_text(describe(db, "things")))
        yield rx.Repo(db, rx.load(tmp_path, records=[Thing]))


def test_what_input_gives_is_stored_and_read_as_the_record_has_it(repo: Any) -> None:
    line = {"name": "a", "price": "1.10", "mood": "ok"}
    made = repo.create(
        Thing,
        {
            "s": "on",
            "moods": ["sad"],
            "home": {"street": "x", "zip": None, "floor": 1},
            "lines": [line],
        },
    )

    assert made == Thing(
        made.id, State.ON, [Mood.SAD], Addr("x", None, 1), [Line("a", Decimal("1.10"), Mood.FINE)]
    )
    assert repo.get(Thing, made.id) == made
    changed = repo.update(made, {"s": "off", "lines": [line, {**line, "name": "b"}]})
    assert changed.s is State.OFF
    assert [one.name for one in changed.lines] == ["a", "b"]
    assert repo.update(changed, {"home": Addr("y", "z")}).home == Addr("y", "z", None)
