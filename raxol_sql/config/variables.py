"""The environment variables that are ours, and the names that are mistaken for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from raxol_sql.config.keys import KEYS
from raxol_sql.config.libpq import variable_of
from raxol_sql.errors import ConfigError

PREFIX = "RAXOL_DB_"
# Of a command, not of the configuration.
_OTHERS = frozenset({"RAXOL_DB_MIGRATION_URL"})
_KNOWN = {key.variable: key.name for key in KEYS.values() if key.variable}
# What other tools call it.
_MEANT = {
    **dict.fromkeys(("PASSWORD", "PASSWD", "PWD", "PASSW", "SECRET"), "RAXOL_DB_PASS"),
    **dict.fromkeys(("DATABASE", "DBNAME", "DB", "DATABASE_NAME", "SCHEMA"), "RAXOL_DB_NAME"),
    **dict.fromkeys(("USERNAME", "LOGIN", "ROLE"), "RAXOL_DB_USER"),
    **dict.fromkeys(("HOSTNAME", "HOSTS", "SERVER", "ADDRESS", "HOSTADDR"), "RAXOL_DB_HOST"),
    **dict.fromkeys(("POOL", "CONNECTION_LIMIT", "POOL_MAX_SIZE"), "RAXOL_DB_POOL_SIZE"),
    **dict.fromkeys(("STATEMENT_TIMEOUT", "QUERY_TIMEOUT"), "RAXOL_DB_TIMEOUT"),
    **dict.fromkeys(("RETRIES",), "RAXOL_DB_MAX_RETRIES"),
    **dict.fromkeys(("URL", "URI", "DSN", "CONNINFO", "DATABASE_URL"), "DATABASE_URL"),
}


def check_variables(names: Iterable[str]) -> None:
    """
    Raises `ConfigError` for variables that begin as ours do, and are none of ours.

    It names each with the nearest one, and shows no value.
    """
    wrong = [
        name
        for name in sorted(names)
        if name.upper().startswith(PREFIX) and name not in _KNOWN and name not in _OTHERS
    ]
    if wrong:
        raise ConfigError("; ".join(_told(name) for name in wrong))


def _told(name: str) -> str:
    unknown = f"{name} is not a variable of raxol_sql"
    rest = name.upper().removeprefix(PREFIX)
    key = rest.lower()
    if key in KEYS and not KEYS[key].variable:
        return f"{unknown}: set {key} in raxol_sql.toml, or give it as an argument"
    of_libpq = variable_of(key)
    if of_libpq and rest not in _MEANT:
        return f"{unknown}: use {of_libpq}, which libpq reads, or write {key} into the URL"
    plain = {known.replace("_", ""): known for known in _KNOWN}
    meant = _MEANT.get(rest) or plain.get(name.upper().replace("_", ""))
    ends = {known.removeprefix(PREFIX): known for known in _KNOWN}
    near = [ends[end] for end in difflib.get_close_matches(rest, ends, n=2)]
    nearest = [meant] if meant else near
    if nearest:
        return f"{unknown}; use {' or '.join(nearest)}, or unset it"
    return f"{unknown}: unset it (there are: {', '.join(_KNOWN)})"
