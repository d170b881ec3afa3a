"""A secret, the places where it is written down, and a server that asks for it."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import attrs
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql.testing import FaultServer

# In each of its parts stands the word that is looked for, so that a half of it is found as well.
SECRET = "CANARY1/canary2:%40canary3@canary4é'canary5\"{canary6}\\canary7#canary8 [canary9]"
QUOTED = quote(SECRET, safe="")
WORD = re.compile("canary", re.IGNORECASE)
# Two roles that are asked for a password: the secret is that of the first.
LET_IN, TURNED_AWAY = "let_in", "turned_away"
PASSWORDS = {LET_IN: SECRET, TURNED_AWAY: "another"}
# The files that the secret is written into, by the variables that name them.
FILES = {"PGPASSFILE": "passwords", "PGSERVICEFILE": "services"}


def leaks(text: str) -> list[str]:
    """Where in a text a part of the secret stands, with what is around it."""
    return [text[max(0, at.start() - 60) : at.end() + 60] for at in WORD.finditer(text)]


@attrs.frozen
class Address:
    """Where a server is, or none, and who goes there."""

    host: str
    port: int
    user: str = LET_IN
    database: str = "postgres"

    @property
    def ours(self) -> dict[str, str]:
        """Our own variables for it."""
        return {
            "RAXOL_DB_HOST": self.host,
            "RAXOL_DB_PORT": str(self.port),
            "RAXOL_DB_USER": self.user,
            "RAXOL_DB_NAME": self.database,
        }

    @property
    def libpq(self) -> dict[str, str]:
        """libpq's variables for it."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }

    def url(self, password: str = QUOTED, **parameters: str) -> str:
        """A URL of it, with what else is to stand behind the ``?``."""
        given = {"host": self.host, "port": str(self.port), **parameters}
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
        return f"postgresql://{self.user}:{password}@/{self.database}?{asked}"


@attrs.frozen
class Written:
    """What a place says: variables, a section of ``raxol_sql.toml``, files by their variables."""

    variables: Mapping[str, str]
    section: str = ""
    name: str = "dev"
    files: Mapping[str, str] = attrs.field(factory=dict)


def _words(at: Address) -> str:
    parameters = {"host": at.host, "port": at.port, "user": at.user, "dbname": at.database}
    return make_conninfo("", **parameters, password=SECRET)


def _section(at: Address, name: str) -> Written:
    lines = [f"hostname = '{at.host}'", f"port = {at.port}", f"username = '{at.user}'"]
    lines.append(f"password = {json.dumps(SECRET, ensure_ascii=False)}")
    return Written({"RAXOL_DB_NAME": at.database}, "\n".join(lines), name)


def _password_file(at: Address) -> Written:
    escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
    return Written(at.ours, files={"PGPASSFILE": f"*:*:*:{at.user}:{escaped}\n"})


def _service(at: Address, variables: dict[str, str]) -> Written:
    lines = [f"host={at.host}", f"port={at.port}", f"user={at.user}", f"dbname={at.database}"]
    file = "\n".join(["[mine]", *lines, f"password={SECRET}", ""])
    return Written(variables, files={"PGSERVICEFILE": file})


PLACES: dict[str, Callable[[Address], Written]] = {
    "RAXOL_DB_PASS": lambda at: Written({**at.ours, "RAXOL_DB_PASS": SECRET}),
    "PGPASSWORD": lambda at: Written({**at.libpq, "PGPASSWORD": SECRET}),
    "a URL": lambda at: Written({"DATABASE_URL": at.url()}),
    "words": lambda at: Written({"DATABASE_URL": _words(at)}),
    "other secrets": lambda at: Written(
        {"DATABASE_URL": at.url(sslpassword=SECRET, oauth_client_secret=SECRET)}
    ),
    "common": lambda at: _section(at, "common"),
    "a section": lambda at: _section(at, "dev"),
    "a password file": _password_file,
    "a service": lambda at: _service(at, {"PGSERVICE": "mine"}),
    "a service in a URL": lambda at: _service(
        at, {"DATABASE_URL": f"postgresql:///{at.database}?service=mine"}
    ),
}


def write(written: Written, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes down what a place says, in a project that shows as much as it may."""
    sections = {"common": "show_sensitive_data_on_connection_error = true\n"}
    sections[written.name] = sections.get(written.name, "") + written.section
    lines = ["[project]", 'records = "raxol_sql.demo.accounts"']
    for name, section in sections.items():
        lines += [f"[{name}]", section]
    (folder / "raxol_sql.toml").write_text("\n".join([*lines, ""]), "utf-8", "surrogateescape")
    for name, value in written.variables.items():
        monkeypatch.setenv(name, value)
    for name, content in written.files.items():
        file = folder / FILES[name]
        file.write_text(content, encoding="utf-8")
        file.chmod(0o600)
        monkeypatch.setenv(name, str(file))


def written_by_commands(folder: Path) -> Iterator[tuple[str, str]]:
    """The files of a project with their texts, but for those that the secret is written into."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        # What the server is made of has that word in the names of its functions.
        is_server = "/pg/data/" in name or name.startswith(".raxol/binaries-")
        if path.is_file() and not is_server and name not in ("raxol_sql.toml", *FILES.values()):
            yield name, path.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def gate() -> Iterator[FaultServer]:
    """A server that asks two roles for their passwords, and logs every statement and session."""
    with FaultServer() as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            for role, password in PASSWORDS.items():
                connection.execute(
                    sql.SQL("create role {} superuser login password {}").format(
                        sql.Identifier(role), sql.Literal(password)
                    )
                )
            ((data,),) = connection.execute("show data_directory").fetchall()
        hba = Path(data) / "pg_hba.conf"
        hba.write_text(f"local all {','.join(PASSWORDS)} scram-sha-256\n{hba.read_text()}")
        server.set(log_statement="all", log_line_prefix="%a %u %d ", log_connections="on")
        yield server


@pytest.fixture
def there(gate: FaultServer) -> Address:
    """The address of that server, as the role whose password the secret is."""
    parameters = conninfo_to_dict(gate.conninfo())
    return Address(str(parameters["host"]), int(parameters["port"] or 0))


@pytest.fixture(scope="module")
def nowhere() -> Iterator[Address]:
    """The address of a TCP port at which nobody listens, and which nobody else gets."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield Address("127.0.0.1", holder.getsockname()[1])


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Gives all that was logged since it was asked last, with everything that the records hold."""
    caplog.set_level(logging.DEBUG)
    # The command line quiets it for its whole process, which is this one.
    pool = logging.getLogger("psycopg.pool")
    before = pool.level
    pool.setLevel(logging.NOTSET)

    def take() -> str:
        text = "\n".join([caplog.text, *(repr(vars(record)) for record in caplog.records)])
        caplog.clear()
        return text

    yield take
    pool.setLevel(before)


@pytest.fixture
def folder(own_project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with files of its own, as the working folder and the home; all that is logged."""
    for kind in ("sql", "migrations"):
        for file in (repository / kind).rglob("*.sql"):
            copy = own_project / file.relative_to(repository)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    monkeypatch.chdir(own_project)
    monkeypatch.setenv("HOME", str(own_project))
    monkeypatch.setenv("RAXOL_SQL_LOG", "debug")
    monkeypatch.setenv("RAXOL_DB_TIMEOUT", "5000")
    monkeypatch.setenv("RAXOL_DB_MAX_RETRIES", "0")
    monkeypatch.setenv("RAXOL_DB_POOL_SIZE", "2")
    return own_project
