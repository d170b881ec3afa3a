"""The table of configuration keys: names, environment variables, and how values are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from raxol_sql.config.passwords import without_passwords
from raxol_sql.config.secret import Secret

LARGEST = 2**31 - 1
_ON = ("true", "on", "yes", "1")
_OFF = ("false", "off", "no", "0")
_TIME = re.compile(r"([0-9]+)(ms|s|min|h|d)?")
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_TIME = 20
_PORTS = re.compile(r"\d{1,5}(,\d{1,5})*")


@attrs.frozen(eq=False, repr=False)
class Key:
    """
    One key: its environment variable, libpq's word for it, and its default.

    ``read`` turns what a file, a variable or a caller gave into the value, and raises ValueError
    with what would be right.
    """

    name: str
    read: Callable[[object], Any]
    default: Any = None
    variable: str | None = None
    libpq: str | None = None
    secret: bool = False


def is_text(value: object) -> bool:
    """Whether ``value`` is a text that libpq can be given: no NUL, nothing that is not UTF-8."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _password(value: object) -> Any:
    if isinstance(value, Secret) or callable(value):
        return value
    if not is_text(value):
        raise ValueError("give a text, in UTF-8 and without NUL, or a callable that returns one")
    return Secret(str(value))


def _url(value: object) -> Any:
    if isinstance(value, Secret):
        return value
    if not is_text(value):
        raise ValueError("give a URL, in UTF-8 and without NUL")
    return Secret(str(value))


def _name(value: object) -> Any:
    if not value or not is_text(value):
        raise ValueError("give a text that is not empty")
    if without_passwords(str(value)) != value:
        raise ValueError("a password is no part of it; a URL is for DATABASE_URL")
    return value


def _port(value: object) -> str:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not _PORTS.fullmatch(text) or not all(0 < int(port) < 65536 for port in text.split(",")):
        raise ValueError("give a number from 1 to 65535, or one for each host: 5432,5433")
    return text


def _whole(least: int, unit: str) -> Callable[[object], int]:
    """Reads whole numbers up to the largest that PostgreSQL takes for a setting."""

    def read(value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
            raise ValueError(f"give a whole number of {unit}, from {least} to {LARGEST}")
        return value

    return read


def milliseconds_of(text: str) -> int | None:
    """A time such as "15s" or "1min" in milliseconds; a bare number is in these already."""
    found = _TIME.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2] or "ms"]


def _milliseconds(least: int) -> Callable[[object], int]:
    """Reads times: numbers of milliseconds, and texts with a unit."""
    whole = _whole(least, "milliseconds")

    def read(value: object) -> int:
        # Longer ones are above any limit, and their digits costly to read.
        if isinstance(value, str) and len(value) <= _LONGEST_TIME:
            known = milliseconds_of(value)
            value = value if known is None else known
        try:
            return whole(value)
        except ValueError as error:
            raise ValueError(f'{error}, or a text such as "15s", "500ms" or "1min"') from None

    return read


def _switch(value: object) -> bool:
    """Reads what PostgreSQL reads as a boolean: a variable can give nothing but a text."""
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else None
    if text in _ON:
        return True
    if text in _OFF:
        return False
    raise ValueError("give true or false")


def _server(value: object) -> str:
    if value != "embedded":
        raise ValueError('server must be "embedded", or unset')
    return "embedded"


def _commit_check(value: object) -> str:
    if value not in ("xid", "xid-first", "marker", "none"):
        raise ValueError('give "xid", "xid-first", "marker" or "none"')
    return str(value)


KEYS = {
    key.name: key
    for key in [
        Key("database", _name, variable="RAXOL_DB_NAME", libpq="dbname"),
        Key("username", _name, "postgres", "RAXOL_DB_USER", "user"),
        Key("password", _password, Secret("postgres"), "RAXOL_DB_PASS", "password", secret=True),
        Key("hostname", _name, "localhost", "RAXOL_DB_HOST", "host"),
        Key("port", _port, "5432", "RAXOL_DB_PORT", "port"),
        Key("migration_url", _url, None, "RAXOL_DB_MIGRATION_URL", secret=True),
        Key("server", _server),
        Key("pool_size", _whole(1, "connections"), 10, "RAXOL_DB_POOL_SIZE"),
        Key("pool_min_size", _whole(0, "connections"), 2),
        Key("timeout", _milliseconds(0), 15_000, "RAXOL_DB_TIMEOUT"),
        Key("idle_timeout", _milliseconds(1), 30_000, "RAXOL_DB_IDLE_TIMEOUT"),
        Key("retry_interval", _milliseconds(0), 1_000, "RAXOL_DB_RETRY_INTERVAL"),
        Key("max_retries", _whole(0, "retries"), 5, "RAXOL_DB_MAX_RETRIES"),
        Key("retry_jitter", _switch, True, "RAXOL_DB_RETRY_JITTER"),
        Key("commit_check", _commit_check, "xid", "RAXOL_DB_COMMIT_CHECK"),
        Key("leak_after", _milliseconds(1), 60_000),
        Key("prepare", _switch, True, "RAXOL_DB_PREPARE"),
        Key("metrics", _switch, True, "RAXOL_DB_METRICS"),
        Key("stacktrace", _switch),
        Key("show_sensitive_data_on_connection_error", _switch, False),
    ]
}
DATABASES = {"dev": "raxol_dev", "test": "raxol_test"}
