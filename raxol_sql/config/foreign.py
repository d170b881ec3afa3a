"""Parameters of connection URLs that other tools know and libpq does not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping

import attrs

from raxol_sql.config.keys import KEYS, milliseconds_of
from raxol_sql.errors import ConfigError, did_you_mean

_ON, _OFF = ("true", "on", "yes", "1"), ("false", "off", "no", "0")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@attrs.frozen(eq=False, repr=False)
class Meaning:
    """
    What parameters of other tools come to here: our keys, libpq's parameters, server settings.

    ``settings`` are for libpq's ``options``.
    """

    keys: Mapping[str, object] = attrs.field(factory=dict)
    libpq: Mapping[str, str] = attrs.field(factory=dict)
    settings: Mapping[str, str] = attrs.field(factory=dict)


def meaning_of(
    given: Iterable[tuple[str, str | None]], known: Iterable[str], origin: str
) -> Meaning:
    """
    What the parameters mean that libpq does not know.

    ``known`` are the names of libpq's own. Raises `ConfigError`, which names every parameter that
    has no meaning here, and says what to use instead. It shows no value.
    """
    keys: dict[str, object] = {}
    libpq: dict[str, str] = {}
    settings: dict[str, str] = {}
    problems = []
    for name, value in given:
        if value is None:
            problems.append(f"{name} has no value")
            continue
        read = _UNDERSTOOD.get(name.lower())
        if read is None:
            problems.append(f"{name} is {_advice(name, known)}")
            continue
        try:
            one = read(value)
            for key, given_value in one.keys.items():
                KEYS[key].read(given_value)
        except ValueError as error:
            problems.append(f"the value of {name} is wrong: {error}")
            continue
        keys.update(one.keys)
        libpq.update(one.libpq)
        settings.update(one.settings)
    if problems:
        raise ConfigError(f"{origin}: " + "; ".join(problems))
    if "prepare" in keys and settings.get("search_path") == "public":
        # Prisma writes it into each URL. It is the server's default, and a pooler may refuse it.
        del settings["search_path"]
    return Meaning(keys, libpq, settings)


def _advice(name: str, known: Iterable[str]) -> str:
    """What to write instead of a parameter that libpq does not know: the end of a sentence."""
    instead = _INSTEAD.get(name.lower())
    if instead is not None:
        return f"no parameter of libpq: {instead}"
    if name in KEYS:
        variable = KEYS[name].variable
        either = f"{variable}, or " if variable else ""
        return f"no parameter of libpq, but a key of raxol_sql: set {either}{name} as an argument"
    names = [*known, *_UNDERSTOOD]
    plain = {re.sub(r"[\W_]", "", one).lower(): one for one in names}
    same = plain.get(re.sub(r"[\W_]", "", name).lower())
    nearest = [same] if same else difflib.get_close_matches(name.lower(), names, n=2)
    return f"no parameter that libpq or raxol_sql knows{did_you_mean(nearest)}"


def instead_of(name: str) -> str | None:
    """What to write instead of a name that another tool has for a key; None for any other name."""
    instead = _INSTEAD.get(name.lower())
    if instead is not None:
        return f": {instead}"
    if name.lower() in _UNDERSTOOD:
        return f": write it into the URL, as in ?{name}=..."
    return None


def with_settings(options: str | None, settings: Mapping[str, str]) -> str | None:
    """libpq's ``options`` with server settings added in front, so that the given ones win."""
    # libpq's escapes: a blank or a backslash in a value has a backslash before it.
    added = [
        f"-c {name}=" + re.sub(r"([\\\s])", r"\\\1", value) for name, value in settings.items()
    ]
    return " ".join([*added, *([options] if options else [])]) or None


def _switch(value: str) -> bool:
    if value.lower() in _ON:
        return True
    if value.lower() in _OFF:
        return False
    raise ValueError("give true or false")


def _pgbouncer(value: str) -> Meaning:
    # Prisma's word for: the pooler keeps no prepared statements.
    return Meaning(keys={"prepare": "false"} if _switch(value) else {})


def _prepared_statements(value: str) -> Meaning:
    return Meaning(keys={} if _switch(value) else {"prepare": "false"})


def _cache_size(value: str) -> Meaning:
    # A cache, or a threshold, of 0 is another tool's way to prepare nothing.
    if not value.isdecimal():
        raise ValueError("give a whole number")
    return Meaning(keys={} if int(value) else {"prepare": "false"})


def _schema(value: str) -> Meaning:
    if not value:
        raise ValueError("give the name of a schema")
    quoted = value if _PLAIN_NAME.fullmatch(value) else '"' + value.replace('"', '""') + '"'
    return Meaning(settings={"search_path": quoted})


def _search_path(value: str) -> Meaning:
    if not value:
        raise ValueError("give the names of schemas, separated by commas")
    return Meaning(settings={"search_path": value})


def _statement_timeout(value: str) -> Meaning:
    known = milliseconds_of(value.replace(" ", ""))
    if known is None:
        raise ValueError("give milliseconds, or a number with ms, s, min or h")
    return Meaning(keys={"timeout": known})


def _ssl(value: str) -> Meaning:
    if value in SSL_MODES:
        return Meaning(libpq={"sslmode": value})
    return Meaning(libpq={"sslmode": "require" if _switch(value) else "disable"})


def _key(name: str) -> Callable[[str], Meaning]:
    return lambda value: Meaning(keys={name: value})


def _parameter(name: str) -> Callable[[str], Meaning]:
    return lambda value: Meaning(libpq={name: value})


def _compatible(value: str) -> Meaning:
    if not _switch(value):
        raise ValueError("sslmode means what it means to libpq: leave it out")
    return Meaning()


# By names in lower case. Prisma, Rails, JDBC, SQLAlchemy, asyncpg, sqlx, pgx and node-postgres.
_UNDERSTOOD: dict[str, Callable[[str], Meaning]] = {
    "pgbouncer": _pgbouncer,
    "prepare": _prepared_statements,
    "prepared_statements": _prepared_statements,
    "statement_cache_size": _cache_size,
    "prepared_statement_cache_size": _cache_size,
    "statement-cache-capacity": _cache_size,
    "preparethreshold": _cache_size,
    "prepare_threshold": _cache_size,
    "schema": _schema,
    "currentschema": _search_path,
    "search_path": _search_path,
    "connection_limit": _key("pool_size"),
    "pool_size": _key("pool_size"),
    "pool_max_conns": _key("pool_size"),
    "pool_min_conns": _key("pool_min_size"),
    "pool_min_size": _key("pool_min_size"),
    "statement_timeout": _statement_timeout,
    "ssl": _ssl,
    "applicationname": _parameter("application_name"),
    "uselibpqcompat": _compatible,
}
_SETTING = "a setting of the server goes into options, as in options=-c%20{0}%3D..."
_INSTEAD = {
    "pool_timeout": "the wait for a connection is a part of timeout (RAXOL_DB_TIMEOUT, in "
    "milliseconds); leave it out",
    "timeout": "tools disagree about its unit; RAXOL_DB_TIMEOUT has the longest time of a call "
    "in milliseconds, connect_timeout that of connecting in seconds",
    "command_timeout": "use RAXOL_DB_TIMEOUT, in milliseconds",
    "query_timeout": "use RAXOL_DB_TIMEOUT, in milliseconds",
    "sockettimeout": "use RAXOL_DB_TIMEOUT, in milliseconds",
    "socket_timeout": "use RAXOL_DB_TIMEOUT, in milliseconds",
    "connecttimeout": "use connect_timeout, in seconds",
    "logintimeout": "use connect_timeout, in seconds",
    "connection_timeout": "use connect_timeout, in seconds",
    "pool": "use pool_size",
    "maxpoolsize": "use pool_size",
    "max_pool_size": "use pool_size",
    "minpoolsize": "use pool_min_size",
    "max_overflow": "use pool_size, the most connections",
    "max_idle_connection_lifetime": "use RAXOL_DB_IDLE_TIMEOUT, in milliseconds",
    "max_connection_lifetime": "leave it out; RAXOL_DB_IDLE_TIMEOUT ends idle connections",
    "sslaccept": "use sslmode=verify-full for strict, sslmode=require for accept_invalid_certs",
    "sslidentity": "use sslcert and sslkey",
    "sslfactory": "use sslmode",
    "charset": "texts travel in UTF-8; leave it out",
    "encoding": "texts travel in UTF-8; leave it out",
    "socket": "use host, with the folder of the socket",
    "unix_sock": "use host, with the folder of the socket",
    **{
        name: _SETTING.format(name)
        for name in (
            *("lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"),
            *("timezone", "datestyle", "default_transaction_read_only", "work_mem", "role"),
        )
    },
}
