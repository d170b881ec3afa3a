"""No command prints a secret, wherever it was written down and whatever becomes of it."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from raxol_sql.testing import FaultServer
from tests.cli.no_secrets.conftest import (
    PLACES,
    QUOTED,
    SECRET,
    TURNED_AWAY,
    Address,
    leaks,
    write,
    written_by_commands,
)
from tests.cli.no_secrets.every_command import COMMANDS, LINES

RaxolSQL = Callable[..., Any]
Told = Callable[[], str]

FORMS = ("table", "json")
# What becomes of a login, and the exit codes of what needs one.
HOWS = {"let in": (0, 1, 4), "turned away": (3,), "unreachable": (3,)}
_databases = itertools.count(1)


def _cases() -> list[Any]:
    """Every place, in every way; of the two formats one each is left to those who have time."""
    cases = itertools.product(enumerate(PLACES), enumerate(HOWS), enumerate(FORMS))
    return [
        pytest.param(*(place, how, form), marks=pytest.mark.deep if (at + by + in_) % 2 else ())
        for (at, place), (by, how), (in_, form) in cases
    ]


def test_no_command_is_forgotten_here() -> None:
    assert {line.path for line in LINES} == {*COMMANDS}


def test_what_is_looked_for_is_found_wherever_it_is(
    gate: FaultServer, there: Address, folder: Path, told: Told
) -> None:
    for text in (*re.split("[/:@'\"{}#\\\\ ]+(?=.)", SECRET), QUOTED, repr(SECRET), QUOTED.lower()):
        assert leaks(text)
    known = gate.log.stat().st_size
    logging.getLogger("raxol_sql").debug("%s", SECRET)
    logging.getLogger("psycopg.pool").debug("no more", extra={"url": there.url()})
    (folder / "written.txt").write_text(SECRET)
    gate.ask(f"set application_name = '{QUOTED}'")

    assert told().count("CANARY") > 2
    assert [name for name, text in written_by_commands(folder) if leaks(text)] == ["written.txt"]
    assert leaks(gate.log.read_bytes()[known:].decode())


@pytest.mark.parametrize(("place", "how", "form"), _cases())
def test_no_command_shows_a_password(
    place: str,
    how: str,
    form: str,
    gate: FaultServer,
    there: Address,
    nowhere: Address,
    folder: Path,
    raxol_sql: RaxolSQL,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = {
        "let in": attrs.evolve(there, database=f"of_its_own_{next(_databases)}"),
        "turned away": attrs.evolve(there, user=TURNED_AWAY),
        "unreachable": nowhere,
    }[how]
    if how != "let in":
        # That the embedded server starts is seen where all goes well.
        monkeypatch.setenv("RAXOL_SQL_PG_BIN", "/nowhere")
    write(PLACES[place](at), folder, monkeypatch)
    known = gate.log.stat().st_size

    for line in LINES:
        ran = raxol_sql(*line.formatted(form))
        assert not leaks(ran.out + ran.err + told()), line
        if line.asks:
            assert ran.code in HOWS[how], (line, ran.err)

    files = dict(written_by_commands(folder))
    assert not {name: leaks(text) for name, text in files.items() if leaks(text)}
    assert how != "let in" or {"docs.md", "top.svg", "deadlocks.json"} <= files.keys()
    sent = gate.log.read_bytes()[known:].decode()
    assert not leaks(sent)
    assert ("statement: " in sent) == (how == "let in")
