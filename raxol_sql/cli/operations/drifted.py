"""What was found to have drifted, as people and as programs read it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from raxol_sql.ops.amounts import counted, some
from raxol_sql.ops.drift.comparing import Difference, Sort
from raxol_sql.ops.drift.drift import Drift
from raxol_sql.ops.drift.item import Kind
from raxol_sql.ops.drift.mending import drop, make, mend, script
from raxol_sql.ops.finding import Finding, Status

_GROUP = "migrations"
_GROUPS = {
    Sort.MISSING: "missing in the database",
    Sort.EXTRA: "in the database, and in no migration",
    Sort.CHANGED: "another in the database (-) than by the migrations (+)",
}
_VERBS = {Sort.MISSING: "restore", Sort.CHANGED: "correct"}
_WORD = re.compile("[a-z0-9]+")


def findings_of(found: Drift) -> list[Finding]:
    """What is to be said of a drift: of the migrations first, and then each difference."""
    ordered = sorted(found.differences, key=lambda one: list(Sort).index(one.sort))
    return [*_of_migrations(found), *map(_finding, ordered)]


def document(found: Drift) -> dict[str, object]:
    """A drift as one JSON object."""
    return {
        "equal": not found.differences,
        "applied": found.applied,
        "pending": found.pending,
        "interrupted": found.interrupted,
        "edited": found.edited,
        "left_out": found.left_out,
        "differences": [
            {
                "sort": one.sort,
                "kind": one.item.kind,
                "name": one.item.name,
                "status": _status(one).value,
                "database": _definition(one) if one.found else None,
                "migrations": _definition(one, expected=True) if one.expected else None,
                "command": _command(one),
                "sql": script(_statements(one)),
            }
            for one in found.differences
        ],
    }


def _of_migrations(found: Drift) -> Iterator[Finding]:
    said = f"{counted(len(found.applied), 'migration')} applied to a scratch database"
    same = f"{said}: the schema is what they make"
    yield Finding(_GROUP, "applied", Status.OK, said if found.differences else same)
    if found.pending:
        pending = f"{some(found.pending, 10)}: not applied yet, and not compared"
        yield Finding(_GROUP, "pending", Status.WARN, pending, "raxol-sql migrate")
    if found.interrupted:
        cut = f"{some(found.interrupted, 10)}: cut off, so what it did is in no migration yet"
        yield Finding(_GROUP, "interrupted", Status.WARN, cut, "raxol-sql migrate")
    if found.edited:
        edited = f"{some(found.edited, 10)}: edited since, and compared as it is now"
        yield Finding(_GROUP, "edited", Status.WARN, edited, "raxol-sql migrations")
    if found.left_out:
        out = f"{some(found.left_out, 10)}: left out, as it would change the whole server"
        yield Finding(_GROUP, "left out", Status.WARN, out, "raxol-sql drift --server-wide")


def _finding(one: Difference) -> Finding:
    return Finding(_GROUPS[one.sort], one.item.kind, _status(one), _message(one), _remedy(one))


def _status(one: Difference) -> Status:
    # Most partitions of a table are made by a program.
    is_routine = one.sort is Sort.EXTRA and one.item.kind is Kind.PARTITION
    return Status.WARN if is_routine else Status.FAIL


def _message(one: Difference) -> str:
    if one.sort is not Sort.CHANGED:
        inside = counted(len(one.inside), "part")
        return f"{one.item.name}, with its {inside}" if one.inside else one.item.name
    there, wanted = _definition(one), _definition(one, expected=True)
    # All of both, line by line, with what they share said once.
    lines = list(difflib.ndiff(there.splitlines(), wanted.splitlines()))
    return "\n".join([one.item.name, *(line for line in lines if not line.startswith("?"))])


def _definition(one: Difference, *, expected: bool = False) -> str:
    """What an object is in the database, or by the migrations, if it is not there or asked for."""
    item = one.item if expected or one.found is None else one.found
    if one.inside:
        return script(make(item, one.inside)).rstrip()
    return item.definition


def _remedy(one: Difference) -> str:
    command, statements = _command(one), _statements(one)
    if not statements:
        return f"{command}, by hand: no statement alters it in place"
    said = f"{command}, with\n{script(statements)}"
    if one.sort is Sort.EXTRA:
        said += f"or, if it is not needed, with\n{script(drop(one.item))}"
    return said.rstrip()


def _command(one: Difference) -> str:
    item = one.item
    name = item.name if item.kind in (Kind.COLUMN, Kind.ATTRIBUTE) else item.own.partition("(")[0]
    words = " ".join(_WORD.findall(name.lower())).removeprefix("public ") or item.kind
    return f"raxol-sql new migration {'keep' if _is_kept(one) else _VERBS[one.sort]} {words}"


def _statements(one: Difference) -> list[str]:
    """What to write: what is extra is to be kept, and all else to be as the migrations say."""
    if one.sort is Sort.EXTRA:
        return make(one.item, one.inside)
    return mend(one.swapped() if _is_kept(one) else one)


def _is_kept(one: Difference) -> bool:
    """Whether the migrations are to follow the database: nothing leads back, or nothing has to."""
    if one.sort is Sort.CHANGED:
        return not mend(one) and bool(mend(one.swapped()))
    return one.sort is Sort.EXTRA
