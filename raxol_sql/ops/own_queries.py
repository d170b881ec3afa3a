"""The queries of this package, each file loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from raxol_sql import schema
from raxol_sql.queries import Query, load
from raxol_sql.text import Source, parse


@cache
def own_queries(module: str, name: str, *records: type) -> Any:
    """The queries of ``name.sql`` next to a ``module``, which gives its ``__file__``."""
    return getattr(load(Path(module).with_name(f"{name}.sql"), records=records), name)


def every_own_query() -> Iterator[Query[Any]]:
    """
    All of this package's queries and those of `schema`, to be told from a project's.

    They are without their records, so not to be run.
    """
    for folder in (Path(__file__).parent, Path(schema.__file__).parent):
        for file in sorted(folder.rglob("*.sql")):
            found, _ = parse(Source.decode(str(file), file.read_bytes()), (file.stem,))
            yield from (Query[Any](definition) for definition in found)
