"""The test of a table's record and queries."""

from __future__ import annotations

import datetime
import itertools
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from raxol_sql.scaffold.names import asked, class_name, has_lock, is_exclusion, keys_of, record_name
from raxol_sql.scaffold.queries import arbiter_of
from raxol_sql.scaffold.record import repr_
from raxol_sql.scaffold.sample import Sample
from raxol_sql.scaffold.types import type_of

_IMPORTS = ("import os", "from collections.abc import Iterator", "from typing import Any")


def text_of_test(
    sample: Sample, module: str, name: str | None = None, known: Mapping[str, str] | None = None
) -> str:
    """
    A file for pytest about the record ``name`` of ``module``, and the queries of its table.

    ``known`` are the names of records that are there, by table; all others are as `class_name`
    has them.
    It runs on the project's test database, in a transaction that is rolled back, with the values of
    ``sample``. Raises ValueError for a ``name`` that no class can have.
    """
    table = sample.table
    known = known or {}
    record = record_name(table, name or known.get(table.name))
    same = module == "records"
    lines = [
        f'"""What the table {table.name} promises, as its record and its queries say it."""',
        "",
        "from __future__ import annotations",
        "",
        *sorted(
            {*_IMPORTS, *(_import_of(value) for value in _all_values(sample))} - {""},
            key=lambda line: (line.startswith("from"), line),
        ),
        "",
        "import pytest",
        "import raxol_sql as rx",
        "import records" if same else f"import {module} as records",
        "from raxol_sql.testing import sandbox",
        "",
        'os.environ.setdefault("RAXOL_ENV", "test")',
        "",
        f"Record = records.{record}",
        *([f"CHANGE = {_dict(sample.change)}"] if sample.change else []),
        "",
        "",
        *_fixtures(sample, known),
        *_tests(sample),
    ]
    return "\n".join(lines) + "\n"


def _fixtures(sample: Sample, known: Mapping[str, str]) -> Iterator[str]:
    yield from (
        '@pytest.fixture(scope="module")',
        "def queries() -> rx.Queries:",
        '    """The queries of the project."""',
        "    return rx.load(rx.Config.find().project.queries, records=records)",
        "",
        "",
        '@pytest.fixture(scope="module")',
        "def db() -> Iterator[rx.Database]:",
        '    """The database of the project."""',
        "    with rx.Database.open() as opened:",
        "        yield opened",
        "",
        "",
        "@pytest.fixture",
        "def repo(db: rx.Database, queries: rx.Queries) -> Iterator[rx.Repo]:",
        '    """A repo in a transaction that is rolled back."""',
        "    with sandbox(db) as tx:",
        "        yield rx.Repo(tx, queries)",
        "",
        "",
        "@pytest.fixture",
        "def given(repo: rx.Repo) -> dict[str, Any]:",
        '    """What a row is made of, with the rows that it refers to."""',
    )
    names: Iterator[int] = itertools.count(1)
    lines: list[str] = []
    made = _given(sample, lines, names, known)
    yield from (f"    {line}" for line in lines)
    yield f"    return {made}"


def _given(sample: Sample, lines: list[str], names: Iterator[int], known: Mapping[str, str]) -> str:
    """The values of a sample as code, after ``lines`` that make its parents, which are added."""
    items = []
    for parent in sample.parents:
        inner = _given(parent.sample, lines, names, known)
        name = f"parent{next(names)}"
        table = parent.sample.table.name
        record = known.get(table) or class_name(table)
        lines.append(f"{name} = repo.create(records.{record}, {inner})")
        items += [f"{repr_(column)}: {name}.{to}" for column, to in parent.targets.items()]
    items += [f"{repr_(name)}: {repr_(value)}" for name, value in sample.values.items()]
    return "{" + ", ".join(items) + "}"


def _tests(sample: Sample) -> Iterator[str]:
    table = sample.table
    if not table.key:
        yield from _test(
            "a_row_is_created_and_counted",
            "before = repo.count(Record)",
            "repo.create(Record, given)",
            "assert repo.count(Record) == before + 1",
        )
        return
    key = ", ".join(f"{one}=made.{one}" for one in table.key)
    plain = [one for one in sample.values if type_of(table.column(one)).name != "Any"]
    yield from _test(
        "a_row_is_created_and_read_back",
        "made = repo.create(Record, given)",
        f"assert repo.get(Record, {key}) == made",
        *(f'assert made.{one} == given["{one}"]' for one in plain),
    )
    if sample.change:
        (name,) = sample.change
        yield from _test(
            "an_update_changes_what_it_is_told_and_nothing_else",
            "made = repo.create(Record, given)",
            "changed = repo.update(made, CHANGE)",
            f'assert changed.{name} == CHANGE["{name}"]',
            *(
                f"assert changed.{one.name} == made.{one.name}"
                for one in table.columns
                if one.name not in (name, "updated_at", "lock_version") and one.is_given
            ),
        )
    if sample.change and has_lock(table):
        yield from _test(
            "what_has_changed_meanwhile_is_not_overwritten",
            "made = repo.create(Record, given)",
            "repo.update(made, CHANGE)",
            "with pytest.raises(rx.StaleRecordError):",
            "    repo.update(made, CHANGE)",
        )
    yield from _test(
        "a_row_that_is_deleted_is_gone",
        "made = repo.create(Record, given)",
        "assert repo.delete(made) == made",
        f"assert repo.get(Record, {key}) is None",
        "with pytest.raises(rx.StaleRecordError):",
        "    repo.delete(made)",
    )
    if arbiter_of(table):
        same = " == ".join(
            f"({', '.join(f'{name}.{one}' for one in table.key)},)" for name in ("again", "made")
        )
        yield from _test(
            "an_upsert_makes_a_row_and_then_changes_it",
            "made = repo.upsert(Record, given)",
            "again = repo.upsert(Record, given)",
            "assert made is not None",
            "assert again is not None",
            f"assert {same}",
        )
    required = [one for one in asked(table) if type_of(table.column(one)).name != "Any"]
    if required:
        names = ", ".join(map(repr_, required))
        comma = "," if len(required) == 1 else ""
        yield from (
            "",
            "",
            f'@pytest.mark.parametrize("field", ({names}{comma}))',
            "def test_what_a_row_needs_cannot_be_left_out(",
            "    repo: rx.Repo, given: dict[str, Any], field: str",
            ") -> None:",
            "    del given[field]",
            "    with pytest.raises(rx.InvalidChangesetError) as caught:",
            "        repo.create(Record, given)",
            '    assert caught.value.messages == {field: ["can\'t be blank"]}',
        )
    told = {*sample.values, *(name for parent in sample.parents for name in parent.targets)}
    if any({*one.columns} <= told for one in keys_of(table)) and not any(
        is_exclusion(one) for one in table.constraints
    ):
        yield from _test(
            "what_only_one_row_may_have_has_already_been_taken",
            "repo.create(Record, given)",
            "with pytest.raises(rx.InvalidChangesetError) as caught, repo.transaction() as inner:",
            "    inner.create(Record, given)",
            'assert ["has already been taken"] in caught.value.messages.values()',
        )


def _test(name: str, *body: str) -> Iterator[str]:
    yield from (
        "",
        "",
        f"def test_{name}(repo: rx.Repo, given: dict[str, Any]) -> None:",
        *(f"    {one}" for one in body),
    )


def _dict(values: Any) -> str:
    return "{" + ", ".join(f"{repr_(name)}: {repr_(value)}" for name, value in values.items()) + "}"


def _all_values(sample: Sample) -> Iterator[Any]:
    yield from sample.values.values()
    yield from sample.change.values()
    for parent in sample.parents:
        yield from _all_values(parent.sample)


def _import_of(value: Any) -> str:
    """What a value's repr needs to be imported."""
    if isinstance(value, list):
        return _import_of(value[0]) if value else ""
    if isinstance(value, Decimal):
        return "from decimal import Decimal"
    if isinstance(value, uuid.UUID):
        return "from uuid import UUID"
    kinds = (datetime.date, datetime.time, datetime.timedelta)
    return "import datetime" if isinstance(value, kinds) else ""
