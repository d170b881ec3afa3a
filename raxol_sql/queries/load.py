"""Loading of a tree of SQL files into a registry."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType

import attrs

from raxol_sql.errors import DefinitionError, LoadError, did_you_mean
from raxol_sql.queries.files import sql_files
from raxol_sql.queries.query import SCALAR, Query
from raxol_sql.queries.registry import Queries
from raxol_sql.text import Definition, Source, parse
from raxol_sql.text.source import Problem


def load(
    root: str | os.PathLike[str] | Traversable,
    *,
    records: Iterable[type] | ModuleType = (),
    validate: bool = False,
    tags: bool = False,
) -> Queries:
    """
    Return the queries of every ``.sql`` file below ``root``.

    ``root`` is a folder, a single file, or a folder of a package:
    ``importlib.resources.files("package") / "sql"``. The path below it is the namespace:
    ``billing/invoices.sql`` becomes ``queries.billing.invoices``. ``records`` are the attrs classes
    that headers name, by their ``__name__``, or a module that has them. ``validate`` runs their
    attrs validators on rows; without it, rows are not validated. ``tags`` appends to every
    statement a comment that names its query, ``/*query='billing.invoices.get'*/``, which identifies
    it in pg_stat_activity, pg_stat_statements and the server's log.

    Raises `LoadError` with the errors of all files; TypeError for a record that is no attrs class,
    and ValueError for two records of one name.
    """
    classes = _by_name(records_of(records) if isinstance(records, ModuleType) else records)
    if isinstance(root, (str, os.PathLike)):
        root = Path(root)
    elif not hasattr(root, "iterdir"):
        raise TypeError(f"load() takes a path or a folder of a package; not {type(root).__name__}")
    errors: list[DefinitionError] = []
    found = [
        (source, definition)
        for namespace, source in sql_files(root, errors)
        for definition in _parse(source, namespace, errors)
    ]
    errors.extend(_clashes(found))
    queries = []
    for source, definition in found:
        record = None
        if definition.result is not None and definition.result != SCALAR:
            record = classes.get(definition.result)
            if record is None:
                errors.append(_unknown_record(source, definition, classes))
                continue
        if tags:
            template = definition.template.tagged(definition.qualified_name)
            definition = attrs.evolve(definition, template=template)
        queries.append(Query[object](definition, record, validate))
    if errors:
        raise LoadError(sorted(errors, key=lambda error: (error.path, error.line or 0)))
    return Queries(queries)


def records_of(module: ModuleType) -> list[type]:
    """Return the attrs classes in a module, imported ones included, except private names."""
    found = {
        value.__name__: value
        for name, value in vars(module).items()
        if isinstance(value, type) and attrs.has(value) and not name.startswith("_")
    }
    return list(found.values())


def _by_name(records: Iterable[type]) -> dict[str, type]:
    classes: dict[str, type] = {}
    for record in records:
        if not isinstance(record, type) or not attrs.has(record):
            raise TypeError(f"{record!r} is not an attrs class: decorate it with @attrs.frozen")
        if record.__name__ == SCALAR:
            raise ValueError(f"a record cannot be named {SCALAR}: that is a kind of result")
        if classes.setdefault(record.__name__, record) is not record:
            raise ValueError(f"two records are named {record.__name__}: rename one of them")
    return classes


def _parse(
    source: Source, namespace: tuple[str, ...], errors: list[DefinitionError]
) -> list[Definition]:
    definitions, wrong = parse(source, namespace)
    errors.extend(wrong)
    return definitions


def _clashes(found: Iterable[tuple[Source, Definition]]) -> Iterator[DefinitionError]:
    """Yield an error for each query whose name another query or a namespace already has."""
    first: dict[tuple[str, ...], Definition] = {}
    namespaces: dict[tuple[str, ...], str] = {}
    found = list(found)
    for _, definition in found:
        for length in range(1, len(definition.namespace) + 1):
            namespaces.setdefault(definition.namespace[:length], definition.path)
    for source, definition in found:
        path = (*definition.namespace, definition.name)
        other = first.setdefault(path, definition)
        if other is not definition:
            problem = f"duplicate query name, first defined at {other.location}"
        elif path in namespaces:
            problem = f"this name is the namespace of {namespaces[path]}"
        else:
            continue
        yield source.error(
            Problem(problem, "rename one of the two", definition.offset),
            definition.qualified_name,
        )


def _unknown_record(
    source: Source, definition: Definition, classes: dict[str, type]
) -> DefinitionError:
    name = definition.result or ""
    nearest = difflib.get_close_matches(name, [*classes, SCALAR], n=2)
    known = ", ".join(sorted(classes)) or "none"
    place = source.text.index(name, source.text.index("->", definition.offset))
    return source.error(
        Problem(
            f"unknown record {name!r}{did_you_mean(nearest)}",
            f"the records handed to load() are: {known}",
            place,
        ),
        definition.qualified_name,
    )
