"""Values that a live table takes, found by asking it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import psycopg

from raxol_sql.engine import Database, Transaction
from raxol_sql.queries import Queries, load
from raxol_sql.scaffold.checks import constants_of
from raxol_sql.scaffold.names import asked, changed, check_names
from raxol_sql.scaffold.queries import queries_text
from raxol_sql.scaffold.types import type_of
from raxol_sql.schema import Table, describe

_TRIES = 3000
# What does not say which value is wrong.
_REFUSALS = (psycopg.DataError, psycopg.NotSupportedError, psycopg.errors.RaiseException)


@attrs.frozen
class Sample:
    """
    What a new row of ``table`` can be told: ``values``, and the keys of its ``parents``.

    ``change`` is another value for one of its columns, if one was found that the table takes.
    """

    table: Table
    values: Mapping[str, Any]
    parents: tuple[Parent, ...]
    change: Mapping[str, Any]


@attrs.frozen
class Parent:
    """The sample of a row that has to be there, and its ``targets`` by the columns that need it."""

    sample: Sample
    targets: Mapping[str, str]


class _Over(Exception):  # noqa: N818 (no error: the values were found)
    """Everything is rolled back."""


def find_sample(database: Database, table: Table) -> Sample:
    """
    A sample for ``table``, with its parents, found by inserting what is likely until it is taken.

    All of it is rolled back. Raises ValueError for names as `check_names`, and LookupError, naming
    the constraint, where nothing is taken, and for tables that refer to each other in a circle.
    """
    check_names(table)
    found: list[Sample] = []
    try:
        with database.transaction() as tx:
            found.append(_Search(tx).of(table, ())[0])
            raise _Over
    except _Over:
        pass
    return found[0]


class _Search:
    """The search for samples in one transaction, whose rows are there for those that need them."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def of(self, table: Table, above: tuple[str, ...]) -> tuple[Sample, Any]:
        """The sample of a table, and its row."""
        if table.quoted in above:
            raise LookupError(
                f"{table.name} refers to itself, in a circle of rows that all need one"
            )
        needed = set(asked(table))
        values: dict[str, Any] = {}
        parents = []
        for foreign in table.of_kind("foreign"):
            if not needed & {*foreign.columns}:
                continue  # it may be left out
            target = describe(self._tx, foreign.target)
            sample, row = self.of(target, (*above, table.quoted))
            targets = dict(zip(foreign.columns, foreign.target_columns, strict=True))
            parents.append(Parent(sample, targets))
            values |= {column: getattr(row, name) for column, name in targets.items()}
        keys = set(values)
        queries = _queries_of(table)
        row = self._inserted(table, queries, values)
        change = self._change(table, queries, row) if table.key else {}
        own = {name: value for name, value in values.items() if name not in keys}
        return Sample(table, own, tuple(parents), change), row

    def _inserted(self, table: Table, queries: Queries, values: dict[str, Any]) -> Any:
        """A row with ``values``, and with what else the table asks for, which is added to them."""
        choices = {name: _candidates(table, name) for name in asked(table) if name not in values}
        values |= {name: several[0] for name, several in choices.items()}
        combinations: dict[tuple[str, ...], Iterator[tuple[Any, ...]]] = {}
        for _ in range(_TRIES):
            try:
                with self._tx.transaction() as inner:
                    return inner.run(queries.create(**_for(queries.create, values)))
            except psycopg.IntegrityError as error:
                culprit = error.diag.constraint_name or _unnamed(error)
            except _REFUSALS as error:
                culprit = _unnamed(error)
                break
            columns = [
                name for one in table.constraints if one.name == culprit for name in one.columns
            ]
            names = tuple(one for one in columns if one in choices)
            several = combinations.setdefault(
                names, itertools.product(*(choices[one] for one in names))
            )
            following = next(several, None) if names else None
            if following is None:
                break
            values |= dict(zip(names, following, strict=True))
        raise LookupError(
            f"no row was found that {table.name} takes: {culprit} refuses everything that was "
            "tried; write this test by hand"
        )

    def _change(self, table: Table, queries: Queries, row: Any) -> dict[str, Any]:
        """Another value of one column that the table takes."""
        keyed = {one for foreign in table.of_kind("foreign") for one in foreign.columns}
        kept = attrs.asdict(row, recurse=False)
        for name in changed(table):
            if name in keyed or type_of(table.column(name)).name == "Any":
                continue
            for value in _candidates(table, name):
                if value == getattr(row, name):
                    continue
                given = {**kept, name: value}
                try:
                    with self._tx.transaction() as inner:
                        if inner.run(queries.update(**_for(queries.update, given, {name}))):
                            return {name: value}
                except (psycopg.IntegrityError, *_REFUSALS):
                    continue
        return {}


def _unnamed(error: psycopg.Error) -> str:
    return f"the type of a column or a trigger ({error.sqlstate})"


def _for(query: Any, values: Mapping[str, Any], optional: set[str] | None = None) -> dict[str, Any]:
    """The values that ``query`` takes: what it asks for, and the others in ``optional``."""
    wanted = {*query.required, *(values if optional is None else optional)}
    return {name: values.get(name) for name in wanted if name in query.definition.template.names}


def _queries_of(table: Table) -> Queries:
    """The starter's own queries, so that what is tried is what will run."""
    record = attrs.make_class(
        "Row", {one.name: attrs.field(alias=one.name) for one in table.columns}
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "q.sql").write_text(queries_text(table, "Row"), encoding="utf-8")
        found: Queries = load(folder, records=[record]).q
    return found


def _candidates(table: Table, name: str) -> list[Any]:
    """What a column may take, the likely first: usual values, and those that its checks mention."""
    column = table.column(name)
    kind = type_of(column)
    mentioned = []
    for check in table.of_kind("check"):
        if name in check.columns:
            for constant in constants_of(check):
                mentioned += _near(kind.name, constant)
    several = [*kind.samples, *mentioned]
    if kind.name == "str" and column.length is not None:
        several = [text for text in several if len(text) <= column.length]
        if column.base == "bpchar":
            # Shorter ones come back with blanks.
            several = [text.ljust(column.length) for text in several]
    unique = []
    for value in several:
        if value not in unique:
            unique.append(value)
    return unique


def _near(kind: str, constant: str) -> list[Any]:
    try:
        if kind == "int":
            return [int(constant), int(constant) + 1, int(constant) - 1]
        if kind == "float":
            return [float(constant)]
    except ValueError:
        return []
    return [constant] if kind == "str" else []
