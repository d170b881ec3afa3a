"""Every type in every container goes to the server and comes back the same, by every verb."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import psycopg
import pytest
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

import raxol_sql as rx
from tests.engine.typed.conftest import Addr, Line, Mood

UTC = dt.UTC


@attrs.frozen
class Visit:
    """The composite ``visit``, which has all the others in it."""

    at: dt.datetime | None
    mood: Mood | None
    addr: Addr | None
    tags: list[str] | None
    rank: int | None


@attrs.frozen
class Kind:
    """A type of the server, the annotation of its field, and values of it."""

    type: str
    hint: Any
    values: tuple[Any, ...]
    in_json: bool = True
    in_array: bool = True
    in_binary: bool = True

    @property
    def title(self) -> str:
        """The annotation, as a program writes it."""
        return (
            self.hint.__name__
            if type(self.hint) is type
            else re.sub(r"[\w.]+\.", "", str(self.hint))
        )


_ADDR = Addr('a (1), "b\\', None, 2)
KINDS = [
    Kind("boolean", bool, (True, False)),
    Kind("smallint", int, (0, -(2**15), 2**15 - 1)),
    Kind("integer", int, (0, -(2**31), 2**31 - 1)),
    Kind("bigint", int, (0, -(2**63), 2**63 - 1)),
    # Python would show the digits of a double, so copy() does not read it in binary.
    Kind("real", float, (0.0, 0.5, -1.25), in_binary=False),
    Kind("double precision", float, (0.0, 0.1, -1e300)),
    Kind("numeric", Decimal, (Decimal("1.10"), Decimal("-12345678901234567890.123456789"))),
    Kind("text", str, ("", "ä{},\"\\'", "NULL")),
    Kind("bytea", bytes, (b"", b"\x00\xff{}")),
    Kind("uuid", UUID, (UUID(int=1), UUID(int=2**127))),
    Kind("date", dt.date, (dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    Kind("time", dt.time, (dt.time(0), dt.time(23, 59, 59, 999999))),
    Kind("timestamp", dt.datetime, (dt.datetime(2026, 3, 29, 2, 30), dt.datetime(1, 1, 1))),
    Kind(
        "timestamptz",
        dt.datetime,
        (dt.datetime(2026, 5, 5, 15, 30, tzinfo=UTC), dt.datetime(2000, 1, 1, 0, 0, 1, 5, UTC)),
    ),
    Kind(
        "interval",
        dt.timedelta,
        (dt.timedelta(hours=-3), dt.timedelta(days=400, microseconds=1), dt.timedelta(days=-2)),
    ),
    Kind("mood", Mood, tuple(Mood)),
    Kind("mood", str, ("sad", 'so, so "{}"')),
    Kind("feeling", Mood, tuple(Mood)),
    Kind("dint", int, (0, 5)),
    Kind("email", str, ("a@b", "")),
    Kind("citext", str, ("aB", 'x,"{')),
    Kind("addr", Addr, (_ADDR, Addr(None, None, None), Addr("", "NULL", -1))),
    Kind("addr", tuple[str, str | None, int], (("a,b", None, 2),), in_json=False),
    Kind("place", Addr, (_ADDR,)),
    Kind(
        "visit",
        Visit,
        (
            Visit(dt.datetime(2026, 1, 1, tzinfo=UTC), Mood.SO, _ADDR, ["x", 'y"}'], 3),
            Visit(None, None, None, None, None),
        ),
    ),
    Kind("int4range", Range[int], (Range(1, 5), Range(empty=True), Range(None, 3)), in_json=False),
    Kind("moodrange", Range[Mood], (Range(Mood.SAD, Mood.SO), Range(None, None)), in_json=False),
    Kind("int4multirange", Multirange[int], (Multirange([Range(1, 5), Range(7, 9)]),), False),
    Kind("moodranges", Multirange[Mood], (Multirange([Range(Mood.SAD, Mood.FINE)]),), False),
    Kind("jsonb", Line, (Line("a", Decimal("1.10"), Mood.FINE, UUID(int=3)),), in_json=False),
    Kind(
        "jsonb",
        dict[str, dt.datetime],
        ({"a.b": dt.datetime(2026, 1, 1, tzinfo=UTC)}, {}),
        in_json=False,
    ),
    # A list in a list is a further dimension of the array.
    Kind("jsonb", list[Line], ([Line("a", Decimal(2), Mood.SAD)], []), False, in_array=False),
]
CONTAINERS = ["value", "array", "composite", "JSON"]
VERBS = ["run", "run_many", "Multi", "stream", "copy text", "copy binary"]


def _numbered(sql: str, **parts: str) -> str:
    for name, text in parts.items():
        sql = sql.replace(f"<{name}>", text)
    return sql


QUERIES = """
-- name: put :exec
insert into <table> (n, v) values (:n, :v);

-- name: get :many -> Row
select n, v from <table> order by n;

-- name: texts :many -> scalar
select v::text from <table> order by n;

-- name: wipe :exec
delete from <table>;

-- name: in_text :copy
copy <table> (n, v) from stdin;

-- name: in_binary :copy
copy <table> (n, v) from stdin (format binary);

-- name: out_text :copy -> Row
copy (select n, v from <table> order by n) to stdout;

-- name: out_binary :copy -> Row
copy (select n, v from <table> order by n) to stdout (format binary);
"""


@pytest.fixture(scope="module")
def crossing(typed_database: str) -> Iterator[tuple[rx.Database, Any]]:
    """One database for all of the matrix."""
    with (
        rx.Database.open(typed_database, pool_size=1) as db,
        psycopg.connect(typed_database, autocommit=True) as side,
    ):
        yield db, side


def _cases() -> Iterator[tuple[Kind, str]]:
    for kind in KINDS:
        for container in CONTAINERS:
            if (container != "JSON" or kind.in_json) and (container != "array" or kind.in_array):
                yield kind, container


def _in(container: str, kind: Kind, number: int) -> tuple[str, Any, list[Any], str]:
    """The type of the column, the hint of its field, its values, and what has to be made first."""
    values = list(kind.values)
    if container == "array":
        return f"{kind.type}[]", list[kind.hint], [[*values, *values[:1]], []], ""  # type: ignore[name-defined]
    if container == "composite":
        made = attrs.make_class("Held", {"inner": attrs.field(type=kind.hint | None)}, frozen=True)
        first = f"create type held{number} as (inner_ {kind.type})".replace("inner_", '"inner"')
        return f"held{number}", made, [*map(made, values), made(None)], first
    if container == "JSON":
        made = attrs.make_class("Inside", {"inner": attrs.field(type=list[kind.hint])}, frozen=True)
        return "jsonb", made, [made(values)], ""
    return kind.type, kind.hint, values, ""


@pytest.mark.parametrize(
    ("kind", "container"),
    [pytest.param(*one, id=f"{one[0].type}-{one[0].title}-{one[1]}") for one in _cases()],
)
def test_what_is_written_is_read_and_written_again_the_same(
    kind: Kind,
    container: str,
    crossing: tuple[rx.Database, psycopg.Connection[Any]],
    load: Callable[..., rx.Queries],
) -> None:
    db, side = crossing
    number = abs(hash((kind.type, kind.title, container)))
    type, hint, values, first = _in(container, kind, number)
    row = attrs.make_class(
        "Row", {"n": attrs.field(type=int), "v": attrs.field(type=hint | None)}, frozen=True
    )
    table = f"held_in_{number}"
    if first:
        side.execute(first)
    side.execute(f"create table {table} (n int, v {type})")
    queries = load(QUERIES.replace("<table>", table), row)
    rows = [row(n, value) for n, value in enumerate([*values, None])]

    for verb in VERBS if kind.in_binary or container == "JSON" else VERBS[:-1]:
        db.run(queries.wipe())
        _write(db, queries, verb, rows)
        texts = db.run(queries.texts())
        read = _read(db, queries, verb)

        assert read == rows, verb
        db.run(queries.wipe())
        _write(db, queries, verb, read)
        assert db.run(queries.texts()) == texts, verb


def _write(db: rx.Database, queries: Any, verb: str, rows: list[Any]) -> None:
    if verb == "run_many":
        db.run_many(queries.put, rows)
    elif verb == "copy text":
        db.copy(queries.in_text, rows)
    elif verb == "copy binary":
        db.copy(queries.in_binary, rows)
    elif verb == "Multi":
        multi = rx.Multi()
        for one in rows:
            multi = multi.add(f"r{one.n}", queries.put(n=one.n, v=one.v))
        db.run(multi)
    else:
        for one in rows:
            db.run(queries.put(n=one.n, v=one.v))


def _read(db: rx.Database, queries: Any, verb: str) -> list[Any]:
    if verb == "copy text":
        return db.copy(queries.out_text)  # type: ignore[return-value]
    if verb == "copy binary":
        return db.copy(queries.out_binary)  # type: ignore[return-value]
    if verb == "stream":
        return list(db.stream(queries.get(), batch=1))
    if verb == "Multi":
        return db.run(rx.Multi().add("all", queries.get()))["all"]  # type: ignore[no-any-return]
    return db.run(queries.get())  # type: ignore[no-any-return]


def test_the_document_shows_this_matrix(repository: Path) -> None:
    document = repository / "docs" / "types.md"
    text = document.read_text()
    begin, end = "<!-- matrix -->\n", "<!-- end of the matrix -->"
    head, _, rest = text.partition(begin)
    written, _, tail = rest.partition(end)
    table = _table()
    if os.environ.get("RAXOL_SQL_WRITE_DOCS"):
        document.write_text(f"{head}{begin}{table}{end}{tail}")

    assert written == table


def _table() -> str:
    verbs = ", ".join(f"`{verb}`" for verb in VERBS)
    lines = [
        f"Each entry was written and read by each of {verbs}.\n",
        f"| type | field | {' | '.join(CONTAINERS)} |",
        f"|---|---|{'---|' * len(CONTAINERS)}",
    ]
    tested = list(_cases())
    for kind in KINDS:
        cells = ["↔" if (kind, one) in tested else "" for one in CONTAINERS]
        field = kind.title.replace("|", "\\|")
        lines.append(f"| `{kind.type}` | `{field}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
