"""The queries of this package, each file loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from raxol_sql.queries import load


@cache
def own_queries(module: str, name: str, *records: type) -> Any:
    """The queries of ``name.sql`` beside a ``module``, which gives its ``__file__``."""
    return getattr(load(Path(module).with_name(f"{name}.sql"), records=records), name)
