"""A domain hides the type of its column, and what was learnt of that is not relied on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

import raxol_sql as rx


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("column", ["dreal", "dreal2", "dreal[]"])
def test_a_real_behind_a_domain_that_became_wider_is_stored_whole_at_once(
    database: str, write: Callable[..., Any], column: str, prepare: bool
) -> None:
    q = write("-- name: put :one -> scalar\ninsert into wide (v) values (:v) returning v::text;")
    wide = "float8[]" if column.endswith("[]") else "float8"

    def value(number: float) -> Any:
        return [number] if column.endswith("[]") else number

    with psycopg.connect(database, autocommit=True) as side:
        side.execute("create domain dreal as real; create domain dreal2 as dreal")
        side.execute(f"create table wide (v {column})")
        with rx.Database.open(database, pool_size=1, prepare=prepare) as db:
            db.run(q.put(v=value(0.5)))
            side.execute(f"alter table wide alter v type {wide}")
            assert db.run(q.put(v=value(0.1))).strip("{}") == "0.1"
