"""What libpq itself would use: its variables, its service file, its password file, a URL."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import psycopg
from psycopg import conninfo, pq

from raxol_sql.config.foreign import SSL_MODES, Meaning, instead_of, meaning_of, with_settings
from raxol_sql.config.keys import KEYS, is_text
from raxol_sql.config.passwords import MASK
from raxol_sql.errors import ConfigError, did_you_mean

_KEYS = {
    "dbname": "database",
    "user": "username",
    "password": "password",
    "host": "hostname",
    "port": "port",
}
# The parameters whose values libpq reads as whole numbers.
_WHOLE = ("connect_timeout", "tcp_user_timeout", "keepalives", "keepalives_idle",
          "keepalives_interval", "keepalives_count")  # fmt: skip
_PORT = "5432"
# Where a server's socket is by default, as PostgreSQL and its packages for Linux are built.
_SOCKET_FOLDERS = ("/tmp", "/var/run/postgresql")
_URL = re.compile(r"postgres(ql)?://")
_NAME = re.compile(r"[A-Za-z][\w.-]*")
_WORD = re.compile(
    r"""\s*([A-Za-z][\w.-]*)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\']|\\.)*)(?=\s|$)""", re.DOTALL
)


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
    import getpass

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


def read_url(url: str, origin: str) -> tuple[dict[str, object], dict[str, str]]:
    """
    A URL or a libpq connection string as our keys, and as the rest of libpq's.

    Parameters of other tools are understood where they have a meaning here. Raises `ConfigError`,
    which does not repeat the URL: there may be a password in it.
    """
    plain = re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", url)
    values, meaning = None, Meaning()
    if is_text(plain) and not _has_stray_at(plain):
        is_url = _URL.match(plain)
        known, foreign = _without_foreign_in_url(plain) if is_url else _without_foreign(plain)
        meaning = meaning_of(foreign, _names(), origin)
        with suppress(psycopg.ProgrammingError):
            values = conninfo.conninfo_to_dict(known)
    if values is None and _is_query_wrong(plain):
        raise ConfigError(
            f"{origin}: the parameters after the ? cannot be read; write name=value&name=value, "
            "with % as %25 and & as %26 in a value"
        )
    if values is None:
        # Not while that is handled: it quotes what could not be read, and would come along.
        raise ConfigError(
            f"{origin} is not a PostgreSQL URL; write postgresql://user:password@host:port/database"
            " (in the password, @ is %40, : is %3A, / is %2F, % is %25)"
        )
    given = {**meaning.libpq}
    given.update((key, str(value)) for key, value in values.items() if value is not None)
    # A server's own setting in the options is as near as one can get to it.
    options = with_settings(given.pop("options", None), meaning.settings)
    if options is not None:
        given["options"] = options
    if given.get("sslmode", "prefer") not in SSL_MODES:
        raise ConfigError(
            f"{origin}: the value of sslmode is wrong: give {', '.join(SSL_MODES[:-1])} "
            f"or {SSL_MODES[-1]}"
        )
    for name in _WHOLE:
        # libpq finds it out only when it connects.
        if not re.fullmatch(r"\s*[+-]?\d{1,9}\s*|", given.get(name, "")):
            raise ConfigError(f"{origin}: the value of {name} is wrong: give a whole number")
    # To libpq, a name that is empty is one that is not given.
    ours: dict[str, object] = {
        _KEYS[key]: value
        for key, value in given.items()
        if key in _KEYS and (value or key == "password")
    }
    if "port" in ours:
        ours["port"] = ",".join(port or _PORT for port in str(ours["port"]).split(","))
    ours.update(meaning.keys)
    return ours, {key: value for key, value in given.items() if key not in _KEYS}


def masked_url(url: str) -> str:
    """The parts of a URL in libpq's words, secrets masked; of what is no URL nothing is shown."""
    try:
        ours, rest = read_url(url, "")
    except ConfigError:
        return MASK
    names = {key: name for name, key in _KEYS.items()}
    parts = {**{names.get(key, key): value for key, value in ours.items()}, **rest}
    return " ".join(f"{name}={MASK if is_secret(name) else value}" for name, value in parts.items())


def _has_stray_at(url: str) -> bool:
    """Whether an ``@`` stands where only an unquoted ``@`` or ``/`` of a password can put it."""
    if not _URL.match(url):
        return False
    authority, _, rest = url.partition("//")[2].partition("/")
    return authority.count("@") > 1 or "@" in rest.partition("?")[0]


def instead_of_key(name: str) -> str:
    """What to write instead of a key that does not exist: the end of a sentence, or nothing."""
    if name in _KEYS:
        return did_you_mean([_KEYS[name]])
    if name in _names():
        return f": it is a parameter of libpq; write it into the URL, as in ?{name}=..."
    return instead_of(name) or did_you_mean(difflib.get_close_matches(name, KEYS, n=2))


def _names() -> set[str]:
    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


def _query_of(url: str) -> int:
    """Where the query of a URL begins, with its question mark; -1 where there is none."""
    # A password that is written as it is may have a question mark in it.
    end_of_user = url.partition("//")[2].partition("/")[0].rfind("@") + url.index("//") + 3
    return url.find("?", end_of_user)


def _is_query_wrong(url: str) -> bool:
    """Whether a URL can be read without its query."""
    if not is_text(url) or not _URL.match(url) or _has_stray_at(url) or _query_of(url) < 0:
        return False
    with suppress(psycopg.ProgrammingError):
        conninfo.conninfo_to_dict(url[: _query_of(url)])
        return True
    return False


def variable_of(parameter: str) -> str | None:
    """libpq's own environment variable for one of its parameters; None if there is none."""
    variables = {option.keyword: option.envvar for option in pq.Conninfo.get_defaults()}
    variable = variables.get(parameter.encode())
    return variable.decode() if variable else None


def _without_foreign_in_url(url: str) -> tuple[str, list[tuple[str, str | None]]]:
    """A URL with the parameters that libpq knows, and the others by name and value."""
    start = _query_of(url)
    if start < 0:
        return url, []
    known: list[str] = []
    foreign: list[tuple[str, str | None]] = []
    names = _names()
    for pair in url[start + 1 :].split("&"):
        name, sign, value = pair.partition("=")
        if not sign and _NAME.fullmatch(unquote(name)):
            foreign.append((unquote(name), None))
        # What has no name, or an escape that is none, is for libpq to refuse.
        elif unquote(name) in names or not _NAME.fullmatch(unquote(name)):
            known.append(pair)
        else:
            foreign.append((unquote(name), unquote(value)))
    return url[: start + 1] + "&".join(known), foreign


def _without_foreign(words: str) -> tuple[str, list[tuple[str, str | None]]]:
    """The same for a connection string of ``name = value``."""
    known: list[str] = []
    foreign: list[tuple[str, str | None]] = []
    names, position = _names(), 0
    while found := _WORD.match(words, position):
        position = found.end()
        if found[1] in names:
            known.append(found[0])
            continue
        value = found[2][1:-1] if found[2].startswith("'") else found[2]
        foreign.append((found[1], re.sub(r"\\(.)", r"\1", value)))
    if words[position:].strip():
        return words, []  # libpq refuses it
    return " ".join(known), foreign


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
