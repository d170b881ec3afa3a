"""One real PostgreSQL for the whole run, and databases in it that each test has for itself."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.demo.accounts import Account, User, UserPreferences
from raxol_sql.migrations import Migrations
from tests.stopwatch import Watch

# The engine imports these when they are used first. They are imported before any test replaces a
# constant of a lower module, whose replacement they would keep.
for _name in (
    "aio",
    "batch.execute_many",
    "batch.multi_runner",
    "copy.transfer",
    "explain",
    "preload",
):
    importlib.import_module(f"raxol_sql.engine.{_name}")

REPOSITORY = Path(__file__).parent.parent

# No test depends on what happens to be set where it runs.
for _name in [*os.environ]:
    if _name.startswith(("PG", "RAXOL_DB_")) or _name in ("DATABASE_URL", "RAXOL_ENV"):
        del os.environ[_name]

# Bounded, so that the suite's time is known; `--hypothesis-profile=deep` looks further. Of Pythons
# beside the first one, which looks for what is wrong with the laws, `brief` is enough.
for _profile, _examples in {"default": 50, "brief": 15, "deep": 2000}.items():
    hypothesis.settings.register_profile(
        _profile,
        deadline=None,
        max_examples=_examples,
        # A busy machine is slow to make examples of any kind.
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("default")

_database_numbers = itertools.count(1)
# Kilobytes of a disk that is soon full.
LITTLE = 2_048


# What takes its time because it waits for servers, to die and come back or to be maintained, or for
# programs to start, and depends on libpq and the server far more than on the version of Python.
_FAULTS = (
    *("faults", "fire", "testing", "engine/deadlines", "engine/outcomes", "engine/pool"),
    *("engine/pooler", "engine/servers", "engine/staleness", "engine/typed/test_matrix.py"),
    *("benchmarks", "cli", "docs", "embedded", "migrations", "ops", "scaffold"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of the folders that break things, or keep servers busy."""
    folders = tuple(REPOSITORY / "tests" / folder for folder in _FAULTS)
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker("faults")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that the tests lie in."""
    return REPOSITORY


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.Server]:
    """A PostgreSQL server for this run."""
    with served_project() as project:
        yield embedded.start(project)


@pytest.fixture
def watch() -> Watch:
    """A stopwatch whose bounds grow by what a busy machine takes."""
    return Watch()


@pytest.fixture
def own_project() -> Iterator[Path]:
    """A project folder whose embedded server the test may start and stop as it likes."""
    with served_project() as project:
        yield project


@contextmanager
def served_project() -> Iterator[Path]:
    """A folder whose embedded server is stopped at the end, and gone with the folder."""
    with tempfile.TemporaryDirectory(
        prefix="rx", dir=_roomy_memory(), ignore_cleanup_errors=True
    ) as name:
        project = Path(name)
        # As root the server runs as another user, who has to get here.
        project.chmod(0o755)
        try:
            yield project
        finally:
            embedded.stop(project)


def _roomy_memory() -> str | None:
    """A folder in memory, where a new database costs a fifth; None where there is little of it."""
    folder = Path("/dev/shm")
    roomy = folder.is_dir() and shutil.disk_usage(folder).free > 4 * 1024**3
    return str(folder) if roomy else None


@pytest.fixture
def database(server: embedded.Server) -> Iterator[str]:
    """The connection string of an empty database of the test's own."""
    yield from _fresh(server, "template0")


@pytest.fixture(scope="session")
def _accounts_template(server: embedded.Server) -> str:
    """A database with the repository's migrations applied, to be copied."""
    name = "raxol_accounts"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
    Migrations(server.conninfo(name), REPOSITORY / "migrations").apply()
    return name


@pytest.fixture
def accounts_database(server: embedded.Server, _accounts_template: str) -> Iterator[str]:
    """The connection string of a database of the test's own, with the repository's tables."""
    yield from _fresh(server, _accounts_template)


@pytest.fixture
def small_disk(server: embedded.Server) -> Iterator[Path]:
    """A folder of the server's account in which there is room for two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a disk of two megabytes")
    owner = os.stat(server.host)
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        # The server's account has to get there.
        os.chmod(name, 0o755)
        folder = Path(name) / "disk"
        folder.mkdir()
        options = f"size={LITTLE}k,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, timeout=10
        )
        if mounted.returncode:
            pytest.skip("nothing can be mounted here")
        try:
            yield folder
        finally:
            # Lazily, as a server that is still closing a file would keep it.
            subprocess.run(["umount", "-l", folder], check=True, timeout=10)


@pytest.fixture(scope="session")
def queries() -> rx.Queries:
    """The repository's own queries."""
    return rx.load(REPOSITORY / "sql", records=[Account, User, UserPreferences])


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """A blocking database with the repository's tables."""
    with rx.Database.open(accounts_database) as database:
        yield database


@pytest.fixture
def open_async(accounts_database: str) -> Callable[[], rx.AsyncDatabase]:
    """Gives an asyncio database on the same tables as ``db``, to be opened in a test's own loop."""
    return lambda: rx.AsyncDatabase.open(accounts_database)


def _fresh(server: embedded.Server, template: str) -> Iterator[str]:
    name = f"raxol_test_{next(_database_numbers)}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        try:
            yield server.conninfo(name)
        finally:
            connection.execute(f"drop database {name} with (force)")
