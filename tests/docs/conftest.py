"""The how-to pages for operations, whose output must be what commands print, and their stage."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.cli import main
from raxol_sql.demo.accounts import Account, User, UserPreferences

PATIENCE = 60.0
# What the pages call the project's folder.
FOLDER = "/srv/shop"
# The pages under docs/ that are for operations, the first of them with the list of symptoms.
PAGES = (
    "operations.md",
    "cannot_connect.md",
    "connections.md",
    "slow_queries.md",
    "locks.md",
    "failed_migrations.md",
    "disk_and_bloat.md",
    "audit.md",
    "monitoring.md",
)
_BLOCK = re.compile(r"^<!-- (shown|cures): (\S+) -->\n```(\w+)\n(.*?)^```$", re.M | re.S)
_OMISSION = re.compile(r"(?<!\S)\.\.\.(?!\S)")
# What is drawn is as long as it has to be.
_LINES = re.compile("[─━]+")
# Amounts are of the moment, so that they are compared by their kinds; a SQLSTATE is not.
_UNIT = r"(?: ?(?:ms|s|min|h|d|B|kB|MB|GB)\b)"
_AMOUNT = rf"\d[\d,]*(?:\.\d+)?(?:{_UNIT}(?: \d+{_UNIT})?)?"
_TOKEN = re.compile(rf"(?<!\w)(?<!SQLSTATE )({_AMOUNT})(?!\w)")
_ENDS = re.compile(r"pg_(?:terminate|cancel)_backend\((\d+)\)|--terminate (\d+)")


@attrs.frozen
class Block:
    """A block of the page: in what ``language``, and its text."""

    language: str
    text: str

    def exchanges(self) -> Iterator[tuple[str, str]]:
        """Each command line of a session with what is printed after it."""
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            command, _, said = part.partition("\n")
            yield command, said


def blocks_of(page: str, sort: str) -> dict[str, Block]:
    """The blocks that a comment names, as ``shown`` or as what ``cures`` it."""
    found = [(name, Block(kind, text)) for what, name, kind, text in _BLOCK.findall(page)
             if what == sort]  # fmt: skip
    assert len({name for name, _ in found}) == len(found), "two blocks have one name"
    return dict(found)


def alike(shown: str, said: str) -> list[tuple[str, str]] | None:
    """
    The amounts in ``shown``, each with the one that is in its place in ``said``.

    None if the two differ in more than amounts, blanks, and what ``...`` stands for.
    """
    amounts: list[str] = []

    def pattern(text: str) -> str:
        parts = _TOKEN.split(_in_one_line(text))
        amounts.extend(parts[1::2])
        return "".join(f"({_AMOUNT})" if n % 2 else re.escape(p) for n, p in enumerate(parts))

    whole = "(?: .*?)?".join(map(pattern, _OMISSION.split(shown)))
    found = re.fullmatch(f"{whole} ?", _in_one_line(said), re.S)
    return None if found is None else list(zip(amounts, found.groups(), strict=True))


def _in_one_line(text: str) -> str:
    """The words of a text, with a blank before each."""
    return "".join(f" {word}" for word in _LINES.sub(" ", text).split())


class Page:
    """The page, beside a project and a database on which its situations are made."""

    def __init__(self, text: str, folder: Path, database: str, run: Callable[..., Any]) -> None:
        self.folder = folder
        self.database = database
        self._shown, self._cures = blocks_of(text, "shown"), blocks_of(text, "cures")
        self._run = run
        self._amounts: dict[str, str] = {}
        self._more: dict[str, tuple[str, ...]] = {}

    def shows(self, name: str, *more: str, said: str | None = None) -> None:
        """
        That what happens now, or was ``said``, is what the block of that name shows.

        ``more`` are words that its commands get beside their own: limits for those who are in a
        hurry.
        """
        block = self._shown[name]
        self._more[name] = more
        if said is not None:
            self._compare(block.text, said)
            return
        code = 0
        for command, shown in block.exchanges():
            if command == "echo $?":
                assert shown.strip() == str(code)
            else:
                code, printed = self._done(command, *more)
                self._compare(shown, printed)

    def cures(self, name: str) -> None:
        """That what the page names as a remedy of it is one, and that it is not shown after it."""
        block = self._cures[name]
        if block.language == "sql":
            self.change(self._with_own_pids(block.text))
        else:
            for command, _ in block.exchanges():
                self.does(command)
        command, shown = next(iter(self._shown[name].exchanges()))
        until(lambda: alike(shown, self._done(command, *self._more[name])[1]) is None)

    def does(self, command: str) -> None:
        """Runs a command of the page before its time comes."""
        assert self._done(command)[0] == 0

    def change(self, *statements: str) -> None:
        """Runs statements as the superuser, each by itself."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            for text in statements:
                for statement in filter(str.strip, text.split(";\n")):
                    connection.execute(statement.encode())

    @contextmanager
    def session(self, application: str) -> Iterator[psycopg.Connection[Any]]:
        """A session of another program, with whatever it does taken back in the end."""
        with psycopg.connect(self.database, application_name=application) as connection:
            try:
                yield connection
            finally:
                with suppress(psycopg.Error):
                    connection.rollback()

    @contextmanager
    def running(self, application: str, statement: str) -> Iterator[None]:
        """A session in which a statement works, or waits, until it is cancelled in the end."""
        with self.session(application) as connection:

            def run() -> None:
                with suppress(psycopg.Error):
                    connection.execute(statement.encode())

            thread = threading.Thread(target=run)
            thread.start()
            try:
                until(lambda: self.ask(
                    "select 1 from pg_stat_activity where application_name = %s"
                    " and wait_event_type in ('Lock', 'Timeout')", application
                ))  # fmt: skip
                yield
            finally:
                with suppress(psycopg.Error):
                    connection.cancel_safe()
                thread.join(PATIENCE)
                assert not thread.is_alive()

    @staticmethod
    def until(found: Callable[[], Any]) -> None:
        """Waits until ``found`` gives something."""
        until(found)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    def _done(self, command: str, *more: str) -> tuple[int, str]:
        words = shlex.split(self._with_own_pids(command).replace(FOLDER, str(self.folder)))
        first = words.index("raxol-sql")
        variables = dict(word.split("=", 1) for word in words[:first])
        code, printed = self._run([*words[first + 1 :], *more], variables)
        # Distributions put their own name behind the version.
        plain = re.sub(r"(PostgreSQL [\d.]+) \([^)]*\)", r"\1", printed)
        return code, plain.replace(str(self.folder), FOLDER)

    def _with_own_pids(self, text: str) -> str:
        def own(found: re.Match[str]) -> str:
            pid = found[1] or found[2]
            return found[0].replace(pid, self._amounts[pid])

        return _ENDS.sub(own, text)

    def _compare(self, shown: str, said: str) -> None:
        amounts = alike(shown, said)
        if amounts is None:
            pytest.fail(f"the page shows\n{shown}\nwhere it is\n{said}", pytrace=False)
        self._amounts |= amounts


def until(found: Callable[[], Any]) -> None:
    """Waits until ``found`` gives something."""
    end = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < end, "it has not come in time"
        time.sleep(0.02)


@pytest.fixture(scope="session", name="alike")
def comparing() -> Callable[[str, str], list[tuple[str, str]] | None]:
    """How what is shown and what is said are compared."""
    return alike


@pytest.fixture
def folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: a project with the repository's queries and migrations as its own."""
    # Of a length that breaks no line.
    with tempfile.TemporaryDirectory(prefix="shop") as name:
        folder = Path(name)
        for part in ("sql", "migrations"):
            shutil.copytree(repository / part, folder / part)
        (folder / "raxol_sql.toml").write_text(
            '[project]\nqueries = "sql"\nmigrations = "migrations"\n'
            'records = "raxol_sql.demo.accounts"\n'
        )
        monkeypatch.chdir(folder)
        yield folder


@pytest.fixture
def database(server: embedded.Server, _accounts_template: str) -> Iterator[str]:
    """The connection string of the database ``shop``, which has the repository's tables."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists shop with (force)")
        connection.execute(f"create database shop template {_accounts_template}".encode())
        try:
            yield server.conninfo("shop")
        finally:
            connection.execute("drop database if exists shop with (force)")


_PROXY = """
import sys
from raxol_sql.testing import FaultProxy
with FaultProxy(sys.argv[1], lifetime=7200) as proxy:
    print(proxy.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def port(server: embedded.Server) -> Iterator[int]:
    """A port of this machine that leads to the server, by a process of its own."""
    # In a thread of this one it would stand still while the driver does.
    command = [sys.executable, "-c", _PROXY, server.conninfo("postgres")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proxy:
        assert proxy.stdout is not None
        yield int(proxy.stdout.readline())
        proxy.communicate(timeout=PATIENCE)


@pytest.fixture
def url(port: int, database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Configures the database as on a machine of its own; with other ``parameters`` for some."""

    def configured(**parameters: object) -> str:
        given: dict[str, object] = {"host": "db.example.org", "hostaddr": "127.0.0.1", "port": port}
        given |= {"user": "postgres", "dbname": "shop", "application_name": "shop"}
        whole = make_conninfo("", **{**given, **parameters})
        monkeypatch.setenv("DATABASE_URL", whole)
        return whole

    configured()
    return configured


@pytest.fixture
def queries(folder: Path) -> rx.Queries:
    """The project's queries."""
    return rx.load(folder / "sql", records=[Account, User, UserPreferences])


@pytest.fixture
def program(folder: Path) -> Callable[..., dict[str, Any]]:
    """Runs a text as a file of the project, with values for its names; gives all of its names."""

    def run(name: str, text: str, **names: Any) -> dict[str, Any]:
        exec(compile(text, folder / name, "exec", dont_inherit=True), names)
        return names

    return run


@pytest.fixture(scope="session")
def pages(repository: Path) -> dict[str, str]:
    """The text of each page for operations, by its name."""
    return {name: (repository / "docs" / name).read_text("utf-8") for name in PAGES}


@pytest.fixture
def page(
    pages: dict[str, str],
    folder: Path,
    database: str,
    url: Callable[..., str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Page:
    """The pages for operations, and a project in which their situations can be made."""

    def run(words: list[str], variables: dict[str, str]) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["raxol-sql", *words])
            for name, value in variables.items():
                patch.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out + err

    return Page("\n".join(pages.values()), folder, database, run)
