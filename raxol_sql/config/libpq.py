"""What libpq itself would use: its variables, its service file, its password file, a URL."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import conninfo, pq

from raxol_sql.errors import ConfigError

_KEYS = {
    "dbname": "database",
    "user": "username",
    "password": "password",
    "host": "hostname",
    "port": "port",
}
_FIELD = re.compile(r"((?:\\.|[^:\\])*)(?::|$)")


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


def names_a_server(environ: Mapping[str, str]) -> bool:
    """Whether libpq's own sources say where a server is."""
    found = environment(environ)
    return "hostname" in found or "port" in found or bool(environ.get("PGHOSTADDR"))


def read_url(url: str, origin: str) -> tuple[dict[str, str], dict[str, str]]:
    """
    A URL or a libpq connection string as our keys, and as the rest of libpq's.

    Raises `ConfigError`, which does not repeat the URL: there may be a password in it.
    """
    plain = re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", url)
    try:
        values = conninfo.conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        raise ConfigError(
            f"{origin} is not a PostgreSQL URL; write postgresql://user:password@host:port/database"
            " (in the password, @ is %40, : is %3A, / is %2F, % is %25)"
        ) from None
    given = {key: str(value) for key, value in values.items() if value is not None}
    ours = {_KEYS[key]: value for key, value in given.items() if key in _KEYS}
    return ours, {key: value for key, value in given.items() if key not in _KEYS}


def password_file(environ: Mapping[str, str], address: Mapping[str, str]) -> str | None:
    """
    The password file that has a line for ``address``, so that libpq would use it; or None.

    The rules are libpq's (PostgreSQL manual, "The Password File"): fields may be ``*``, and the
    file of one user must not be readable by others. The password itself is left to libpq.
    """
    named = environ.get("PGPASSFILE")
    try:
        file = Path(named) if named else Path.home() / ".pgpass"
        if file.stat().st_mode & 0o077:
            return None
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, RuntimeError):
        return None
    host = "localhost" if address["hostname"].startswith("/") else address["hostname"]
    wanted = [host, address["port"], address["database"], address["username"]]
    for line in lines:
        if line.startswith("#"):
            continue
        fields = [re.sub(r"\\(.)", r"\1", field) for field in _FIELD.findall(line)[:4]]
        if len(fields) == 4 and all(
            field in ("*", value) for field, value in zip(fields, wanted, strict=True)
        ):
            return str(file)
    return None
