"""What an install promises: the core without the command line, and errors that name the extra."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import raxol_sql as rx
from raxol_sql.engine.core.driver_internals import OVERRIDDEN

PACKAGE = Path(rx.__file__).parent
INTERNALS = PACKAGE / "engine" / "core" / "driver_internals.py"
COMMAND_LINE = ("click", "rich", "yoyo", "sqlparse")
# Built on raxol_sql.migrations, or on the library that their name says.
WITH_EXTRAS = (
    *("raxol_sql.cli", "raxol_sql.migrations", "raxol_sql.__main__"),
    *("raxol_sql.ops.drift", "raxol_sql.ops.diagnosis"),
    *(
        "raxol_sql.integrations.otel",
        "raxol_sql.integrations.prometheus",
        "raxol_sql.integrations.pools",
    ),
)

_BLOCK = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked} or name in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Blocked())
"""


def run_without(libraries: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python that cannot import these libraries."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCK.format(blocked=libraries) + code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def modules() -> list[str]:
    names = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_the_library_needs_nothing_of_the_command_line() -> None:
    names = [name for name in modules() if not name.startswith(WITH_EXTRAS)]
    code = f"import importlib\nfor name in {names}:\n    importlib.import_module(name)\nprint('ok')"

    done = run_without(COMMAND_LINE, code)

    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.parametrize("library", ["click", "rich", "yoyo"])
def test_the_command_line_without_its_libraries_says_in_one_line_what_to_install(
    library: str,
) -> None:
    done = run_without((library,), "from raxol_sql.cli import main\nmain()")

    assert done.returncode == 2
    assert done.stderr == (
        f'error: {library} is not installed. Run: pip install "raxol_sql[cli]"\n'
    )
    assert done.stdout == ""


def test_another_import_error_of_the_command_line_is_not_hidden() -> None:
    done = run_without(("raxol_sql.cli.top", "difflib"), "from raxol_sql.cli import main\nmain()")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'difflib'"


def test_migrations_without_yoyo_name_the_extra() -> None:
    done = run_without(("yoyo",), "import raxol_sql.migrations")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: Migrations need yoyo-migrations. Run: pip install "raxol_sql[cli]"'
    )


def test_an_import_without_libpq_names_the_extra() -> None:
    blocked = ("psycopg_c", "psycopg_binary", "psycopg.pq.pq_ctypes")

    done = run_without(blocked, "import raxol_sql")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: psycopg has found no libpq, PostgreSQL's client library. Install the "
        'system\'s libpq, or run: pip install "raxol_sql[binary]"'
    )


def is_private(name: object) -> bool:
    return (
        isinstance(name, str) and len(name) > 1 and name.startswith("_") and name.isidentifier()
    ) and not name.startswith("__")


def names_of(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """The private names that a module has in it, each with whether it is that of a function."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, True
        elif isinstance(node, ast.Attribute):
            yield node.attr, False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((word, False) for word in node.value.split())


@attrs.frozen
class Driver:
    """The private names of the driver and its pool; ``methods`` may be overridden."""

    names: frozenset[str]
    methods: frozenset[str]


@pytest.fixture(scope="module")
def driver() -> Driver:
    names, methods = set[str](), set[str]()
    for library in ("psycopg", "psycopg_pool"):
        spec = importlib.util.find_spec(library)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        for file in Path(spec.submodule_search_locations[0]).rglob("*.py"):
            for name, is_function in names_of(ast.parse(file.read_text(encoding="utf-8"))):
                if is_private(name):
                    names.add(name)
                    if is_function:
                        methods.add(name)
    return Driver(frozenset(names), frozenset(methods))


# Attributes of raxol_sql's own classes whose names the driver has as well.
_OWN = {
    *("more._put", "Changeset._put", "database._pool", "made._make", "connection._session"),
    *("getattr(kind, '_make', kind)", "getattr(value, '_session', None)"),
}


def uses_of(tree: ast.AST, driver: Driver) -> Iterator[tuple[int, str]]:
    """Each use of a private name of the driver in a module, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.partition(".")[0] not in ("psycopg", "psycopg_pool"):
                continue
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (
                (node.lineno, name) for name in whole if any(map(is_private, name.split(".")))
            )
        elif isinstance(node, ast.Attribute) and node.attr in driver.names:
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own and ast.unparse(node) not in _OWN:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            named, use = node.args[1], ast.unparse(node)
            if isinstance(named, ast.Constant) and named.value in driver.names and use not in _OWN:
                yield node.lineno, use
        elif isinstance(node, ast.ClassDef) and node.bases:
            for member in node.body:
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    name = member.name
                    if name in driver.methods and f"{node.name}.{name}" not in _OWN:
                        yield member.lineno, f"{node.name}.{name}"


def uses_in_package(driver: Driver) -> Iterator[str]:
    for file in PACKAGE.rglob("*.py"):
        if file != INTERNALS:
            for line, use in uses_of(ast.parse(file.read_text(encoding="utf-8")), driver):
                if use.rpartition(".")[2] not in OVERRIDDEN:
                    yield f"{file.relative_to(PACKAGE)}:{line}: {use}"


def test_private_names_of_the_driver_are_used_in_the_module_that_lists_them_alone(
    driver: Driver,
) -> None:
    assert {"_adapters", "_notify_handlers", "_load_map", "_connect_gen"} < driver.names

    assert [*uses_in_package(driver)] == [], f"move them to {INTERNALS.name}, with the reason"


@pytest.mark.parametrize(
    "code",
    [
        "from psycopg._copy_base import parse_row_text",
        "from psycopg.types.composite import _parse_text_record",
        "connection._adapters = None",
        "getattr(connection, '_notice_handlers')",
        "class Mine(connection):\n    def _fetch_gen(self): ...",
    ],
)
def test_a_use_of_a_private_name_is_found(code: str, driver: Driver) -> None:
    assert len([*uses_of(ast.parse(code), driver)]) == 1


def test_what_is_listed_is_used() -> None:
    text = "".join(
        file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py") if file != INTERNALS
    )
    [listed] = [
        ast.literal_eval(node.value)
        for node in ast.parse(INTERNALS.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]

    assert [name for name in listed if name != "OVERRIDDEN" and name not in text] == []
    assert [name for name in OVERRIDDEN if f"def {name}(" not in text] == []
