"""What libpq itself would use: its variables, its service file, its password file, a URL."""

from __future__ import annotations

import getpass
import itertools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import conninfo, pq

from raxol_sql.config.keys import is_text
from raxol_sql.config.passwords import MASK
from raxol_sql.errors import ConfigError

_KEYS = {
    "dbname": "database",
    "user": "username",
    "password": "password",
    "host": "hostname",
    "port": "port",
}
_PORT = "5432"
# Where a server's socket is by default, as PostgreSQL and its packages for Linux are built.
_SOCKET_FOLDERS = ("/tmp", "/var/run/postgresql")
_URL = re.compile(r"postgres(ql)?://")


def environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """
    The values of ``PG*`` and of the service file by our keys, each with its origin.

    ``environ`` says which variables are set; libpq reads the service file that they name.
    """
    service = environ.get("PGSERVICE")
    found = {}
    for option in pq.Conninfo.get_defaults():
        key = _KEYS.get(option.keyword.decode())
        value = option.val.decode() if option.val else ""
        if key is None or not value:
            continue
        variable = option.envvar.decode() if option.envvar else ""
        compiled = option.compiled.decode() if option.compiled else ""
        if environ.get(variable) == value:
            found[key] = (value, variable)
        elif service and value != compiled and value != _system_user(key):
            found[key] = (value, f"service {service}")
    return found


def _system_user(key: str) -> str | None:
    """libpq's default for the user name, which is no statement of anybody's."""
    try:
        return getpass.getuser() if key == "username" else None
    except (KeyError, OSError, ImportError):
        return None


def has_address(environ: Mapping[str, str]) -> bool:
    """Whether libpq's own sources give a numeric address, which it takes before any host name."""
    if not environ.get("PGSERVICE"):
        return bool(environ.get("PGHOSTADDR"))
    return any(
        option.keyword == b"hostaddr" and bool(option.val) for option in pq.Conninfo.get_defaults()
    )


def is_secret(parameter: str) -> bool:
    """Whether libpq itself hides the value of a connection parameter, or never shows it."""
    return any(
        option.keyword.decode() == parameter and (option.dispchar == b"*" or "_key" in parameter)
        for option in pq.Conninfo.get_defaults()
    )


def read_url(url: str, origin: str) -> tuple[dict[str, str], dict[str, str]]:
    """
    A URL or a libpq connection string as our keys, and as the rest of libpq's.

    Raises `ConfigError`, which does not repeat the URL: there may be a password in it.
    """
    plain = re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", url)
    values = None
    if is_text(plain) and not _has_stray_at(plain):
        with suppress(psycopg.ProgrammingError):
            values = conninfo.conninfo_to_dict(plain)
    if values is None:
        # Not while that is handled: it quotes what could not be read, and would come along.
        raise ConfigError(
            f"{origin} is not a PostgreSQL URL; write postgresql://user:password@host:port/database"
            " (in the password, @ is %40, : is %3A, / is %2F, % is %25)"
        )
    given = {key: str(value) for key, value in values.items() if value is not None}
    # To libpq, a name that is empty is one that is not given.
    ours = {
        _KEYS[key]: value
        for key, value in given.items()
        if key in _KEYS and (value or key == "password")
    }
    if "port" in ours:
        ours["port"] = ",".join(port or _PORT for port in ours["port"].split(","))
    return ours, {key: value for key, value in given.items() if key not in _KEYS}


def masked_url(url: str) -> str:
    """The parts of a URL in libpq's words, secrets masked; of what is no URL nothing is shown."""
    try:
        ours, rest = read_url(url, "")
    except ConfigError:
        return MASK
    names = {key: name for name, key in _KEYS.items()}
    parts = {**{names[key]: value for key, value in ours.items()}, **rest}
    return " ".join(f"{name}={MASK if is_secret(name) else value}" for name, value in parts.items())


def _has_stray_at(url: str) -> bool:
    """Whether an ``@`` stands where only an unquoted ``@`` or ``/`` of a password can put it."""
    if not _URL.match(url):
        return False
    authority, _, rest = url.partition("//")[2].partition("/")
    return authority.count("@") > 1 or "@" in rest.partition("?")[0]


def password_file(
    named: str | None, environ: Mapping[str, str], address: Mapping[str, str]
) -> str | None:
    """
    The password file that has a password for ``address``, so that libpq would use it; or None.

    The rules are libpq's (PostgreSQL manual, "The Password File"): fields may be ``*``, and the
    file of one user must not be readable by others. The password itself is left to libpq. Of
    several hosts, one with a line is enough. ``named`` stands before what ``environ`` says.
    """
    named = named or environ.get("PGPASSFILE")
    try:
        file = Path(named) if named else Path.home() / ".pgpass"
        if not file.is_file() or file.stat().st_mode & 0o077:
            return None
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except (OSError, RuntimeError):
        return None
    hosts, ports = address["hostname"].split(","), address["port"].split(",")
    for host, port in zip(hosts, itertools.cycle(ports), strict=False):
        known_as = "localhost" if host in _SOCKET_FOLDERS else host
        wanted = [known_as, port, address["database"], address["username"]]
        found = (_password(line, wanted) for line in lines)
        # libpq takes the first line for an address, be its password empty.
        if next((password for password in found if password is not None), ""):
            return str(file)
    return None


def _password(line: str, wanted: Sequence[str]) -> str | None:
    """The password in a line, as it is written; None if the line is for another address."""
    rest: str | None = None if line.startswith("#") else line.rstrip("\r")
    for value in wanted:
        rest = None if rest is None else _behind(rest, value)
    return rest if rest is None else rest.partition(":")[0]


def _behind(line: str, value: str) -> str | None:
    """
    What stands behind the first field, if that is ``value`` or a ``*``.

    As in libpq, the value says where the field ends, so that the colons of ``::1`` may stand as
    they are.
    """
    if line.startswith("*:"):
        return line[2:]
    position = 0
    for character in value:
        position += line.startswith("\\", position)
        if not line.startswith(character, position):
            return None
        position += 1
    return line[position + 1 :] if line.startswith(":", position) else None
