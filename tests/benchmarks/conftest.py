"""The benchmarks, which lie in the checkout and are in no wheel, made importable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from raxol_sql import embedded

# At the end of the path, so that raxol_sql itself is still the installed one.
sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.stage import Sizes, Stage, fill


@pytest.fixture(scope="module")
def stage(server: embedded.Server) -> Iterator[Stage]:
    """A small stage for all works, in a database that goes when the last of them is done."""
    name = "raxol_stage"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        small = Stage(server.conninfo(name), Sizes(short=30, long=60, inserts=50))
        fill(small)
        yield small
        connection.execute(f"drop database {name} with (force)")
