"""The way to the server, one step after another: name, connection, TLS, login, and who answers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic, perf_counter

import attrs
import psycopg

from raxol_sql import server
from raxol_sql.config import Config, Conninfo, Given
from raxol_sql.errors import ConfigError, EmbeddedError
from raxol_sql.failures import is_refused
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.network import cause, knocking
from raxol_sql.ops.network.cause import ConnectProblem, Login
from raxol_sql.ops.network.greeting import Greeting, LoggedIn, log_in
from raxol_sql.ops.network.hba import BY_LINES, Attempt
from raxol_sql.ops.network.target import Target, narrowed, parameters_of, targets_of

_NETWORK, _CREDENTIALS = "network", "credentials"
_WALKED = ("resolve", "tcp", "tls", "login")
STEPS = (*_WALKED, "pooler")
"""The checks of the group "network", in their order."""

_POOLER = (
    "PgBouncer before 1.21 forgets prepared statements in transaction mode: set prepare = false"
)


_UNASKED = knocking.Refusal("", "")


@attrs.frozen
class Reached:
    """
    How far one came. ``findings`` are the steps, in the groups "network" and "credentials".

    Where the server let in, ``greeting`` is what it said, and ``conninfo`` is libpq's string for
    it, which may hold a password. Else ``cause`` says why not, and its message begins with "Could
    not connect to database".
    """

    findings: tuple[Finding, ...]
    cause: ConnectProblem | None = None
    greeting: Greeting | None = None
    conninfo: Given = attrs.field(default="", repr=False)

    @property
    def network(self) -> tuple[Finding, ...]:
        """The steps without the credentials."""
        return tuple(one for one in self.findings if one.group == _NETWORK)


def reach(config: Config, *, timeout: float = 5.0) -> Reached:
    """
    Walks to the configured server, step by step, and says of each how it went and how long it took.

    Each step ends within ``timeout`` seconds, whatever the network or the server does; what comes
    after one that failed is skipped. An embedded server is started if need be, which has a bound
    itself. Raises nothing that a network, a server or a wrong address can cause. Opens a
    few connections, one after another, and closes them. Safe for any thread.
    """
    with ExitStack() as lines:
        return _Walk(config, timeout, lines).whole()


@attrs.frozen
class _Step:
    message: str
    status: Status = Status.OK
    remedy: str = ""


class _StepError(Exception):
    """A step that ended the walk."""

    def __init__(self, cause: ConnectProblem) -> None:
        super().__init__(cause.message)
        self.cause = cause


class _Walk:
    """One walk: what each step leaves to the next."""

    def __init__(self, config: Config, timeout: float, lines: ExitStack) -> None:
        self._lines = lines
        self._config = config
        self._timeout = timeout
        self._conninfo = Conninfo({})
        self._database = config.database
        self._user = config.username
        self._parameters: dict[str, str] = {}
        self._addresses: list[tuple[Target, str]] = []
        self._line: socket.socket | None = None
        self._in: LoggedIn | None = None

    def whole(self) -> Reached:
        """All steps, as far as they come."""
        findings: list[Finding] = []
        failed: ConnectProblem | None = None
        reason = ""
        for check in _WALKED:
            if failed is not None:
                findings.append(Finding(_NETWORK, check, Status.SKIP, reason))
                continue
            since = perf_counter()
            step: Callable[[], _Step] = getattr(self, f"_{check}")
            try:
                done = step()
            except _StepError as stopped:
                failed, reason = self._named(stopped.cause), f"not reached: {check} failed"
                done = _Step(failed.message, Status.FAIL, failed.remedy)
            took = None if done.status is Status.SKIP else (perf_counter() - since) * 1000
            findings.append(Finding(_NETWORK, check, done.status, done.message, done.remedy, took))
        findings.append(self._pooler(reason))
        findings.extend(self._credentials(reason))
        if self._in is None:
            return Reached(tuple(findings), failed)
        return Reached(tuple(findings), None, self._in.greeting, self._conninfo)

    def _named(self, found: ConnectProblem) -> ConnectProblem:
        where = server.describe(self._config)
        message = f"Could not connect to database {self._database} on {where}: {found.message}"
        return attrs.evolve(found, message=message)

    def _resolve(self) -> _Step:
        try:
            self._conninfo = server.target(self._config)
            self._parameters = parameters_of(self._conninfo)
            targets = targets_of(self._parameters)
        except (ConfigError, EmbeddedError) as error:
            raise _StepError(ConnectProblem(str(error), cause.CONFIG, is_final=True)) from None
        self._database = self._parameters.get("dbname") or self._database
        self._user = self._parameters.get("user") or self._user
        names = [target for target in targets if not target.is_socket and not target.numeric]
        deadline = monotonic() + self._timeout
        found: list[str] = []
        failed: list[ConnectProblem] = []
        for target in targets:
            if target not in names:
                self._addresses.append((target, target.numeric))
                continue
            try:
                addresses = _looked_up(target, max(0.0, deadline - monotonic()))
            except TimeoutError:
                failed.append(cause.of_slow_resolving(target.host, self._timeout))
            except OSError as error:
                failed.append(cause.of_resolving(target.host, error))
            else:
                found.append(f"{target.host} is {', '.join(addresses)}")
                self._addresses.extend((target, address) for address in addresses)
        if not self._addresses:
            raise _StepError(_together(failed))
        if not names:
            sort = "a Unix socket" if targets[0].is_socket else "an address"
            return _Step(f"{targets[0]} is {sort}, and no name to look up", Status.SKIP)
        return _partly(found, failed)

    def _tcp(self) -> _Step:
        deadline = monotonic() + self._timeout
        failed: list[tuple[Target, ConnectProblem]] = []
        is_one = len(self._addresses) == 1
        while self._addresses:
            target, address = self._addresses[0]
            # Each has its part of the time that is left, so that none is without.
            seconds = max(0.0, deadline - monotonic()) / len(self._addresses)
            where = _where(target, address)
            try:
                self._line = self._connected(target, address, seconds)
            except OSError as error:
                why = cause.of_connecting(str(target), error, seconds, is_socket=target.is_socket)
                said = why.message if is_one else f"{where}: {why.message}"
                failed.append((target, attrs.evolve(why, message=said)))
                self._addresses.pop(0)
                continue
            # A name of which one address answers is as good as one of which all do.
            others = [why for tried, why in failed if tried != target]
            return _partly([f"connected to {where}"], others)
        raise _StepError(_together([why for _, why in failed]))

    def _tls(self) -> _Step:
        target, _ = self._addresses[0]
        mode = self._parameters.get("sslmode", "prefer")
        if target.is_socket:
            return _Step("a Unix socket has no TLS, and needs none", Status.SKIP)
        if mode == "disable":
            return _Step("sslmode=disable asks for none", Status.SKIP)
        since = monotonic()
        try:
            offered = self._parameters.get("sslnegotiation") == "direct"
            offered = offered or knocking.offers_tls(self._taken())
            if not offered:
                if mode not in ("allow", "prefer"):
                    raise _StepError(cause.of_no_tls(mode))
                return _Step(f"the server offers none, and sslmode={mode} needs none", Status.SKIP)
            secured = knocking.secured(self._taken(), self._parameters, target.host)
            self._line = self._lines.enter_context(secured)
        except TimeoutError:
            raise _StepError(cause.of_silence(monotonic() - since)) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise _StepError(cause.of_hanging_up()) from None
        except (ssl.SSLError, FileNotFoundError, PermissionError) as error:
            raise _StepError(cause.of_tls(error, mode, target.host)) from None
        except OSError:
            raise _StepError(cause.of_hanging_up()) from None
        cipher = (secured.cipher() or ("no cipher",))[0]
        is_verified = secured.context.verify_mode is ssl.CERT_REQUIRED
        verified = f"the certificate is {'trusted' if is_verified else 'not verified'}"
        if secured.context.check_hostname:
            verified += f" and is for {target.host}"
        return _Step(f"{secured.version()}, {cipher}; sslmode={mode}: {verified}")

    def _login(self) -> _Step:
        since = monotonic()
        self._lines.close()  # the server needs the place for the login that comes
        conninfo = narrowed(self._conninfo, self._addresses)
        try:
            self._in = log_in(conninfo, self._timeout)
        except TimeoutError:
            raise _StepError(cause.of_silence(monotonic() - since)) from None
        except psycopg.Error as error:
            raise _StepError(self._of_login(conninfo, error)) from None
        return _Step(f"let in as {self._in.greeting.role}")

    def _of_login(self, conninfo: Conninfo, error: psycopg.Error) -> ConnectProblem:
        login = Login(self._user, self._database, self._password_from())
        sqlstate, routine = error.sqlstate, ""
        if sqlstate is None and is_refused(error) and not login.asked_for:
            sqlstate = "28P01"  # it is the driver that has no answer to the server's question
        if sqlstate in (None, "28000"):
            told = self._turned_away()
            if told is not None and told.sqlstate == (sqlstate or told.sqlstate):
                sqlstate, routine = told.sqlstate or None, told.routine
        if sqlstate is None and _is_missing(conninfo, self._database, self._timeout):
            sqlstate = "3D000"
        attempt = self._attempt(" ".join(str(error).split()), routine)
        return cause.of_login(sqlstate, login, routine, attempt)

    def _attempt(self, words: str, routine: str) -> Attempt:
        """How the client came, and whether the server refuses what its sslmode rules out, too."""
        target, _ = self._addresses[0]
        mode = self._mode
        if target.is_socket:
            return Attempt("socket", mode, False, words)
        if mode in ("allow", "prefer"):
            return Attempt("any", mode, False, words)
        is_plain = mode == "disable"
        other = self._turned_away(with_tls=is_plain) if routine == BY_LINES else _UNASKED
        works = other is None or other.routine not in ("", BY_LINES)
        return Attempt("plain" if is_plain else "tls", mode, works, words)

    @property
    def _mode(self) -> str:
        return self._parameters.get("sslmode") or "prefer"

    def _turned_away(self, *, with_tls: bool | None = None) -> knocking.Refusal | None:
        """
        What the server says to the user's name alone; None if it does not refuse that.

        ``with_tls`` says whether to come with TLS, None as sslmode says. A server that cannot be
        reached so gives `_UNASKED`.
        """
        target, address = self._addresses[0]
        wants_tls = self._mode != "disable" if with_tls is None else with_tls
        try:
            line = self._line = self._connected(target, address, self._timeout)
            offers = not target.is_socket and wants_tls and knocking.offers_tls(line)
            if with_tls and not offers:
                return _UNASKED
            if offers:
                line = self._lines.enter_context(
                    knocking.secured(line, self._parameters, target.host, verify=False)
                )
            return knocking.refusal(line, self._user, self._database)
        except OSError:
            return None if with_tls is None else _UNASKED

    def _pooler(self, reason: str) -> Finding:
        if self._in is None:
            return Finding(_NETWORK, "pooler", Status.SKIP, reason)
        if not self._in.greeting.is_pooled:
            return Finding(_NETWORK, "pooler", Status.OK, "none: the server itself answers")
        return Finding(
            _NETWORK,
            "pooler",
            Status.OK,
            "the connection goes through a pooler, such as PgBouncer",
            _POOLER if self._config.prepare else "",
        )

    def _credentials(self, reason: str) -> Iterator[Finding]:
        origin = self._origin("username")
        yield Finding(_CREDENTIALS, "user", Status.OK, f"{self._user}, from {origin}")
        given = self._password_from()
        for conflict in self._config.conflicts:
            remedy = "unset one of the two, or have them say the same"
            yield Finding(_CREDENTIALS, "conflict", Status.WARN, str(conflict), remedy)
        password = f"from {given}" if given else "none given"
        if self._in is None:
            yield Finding(_CREDENTIALS, "password", Status.OK, password)
            yield Finding(_CREDENTIALS, "current_user", Status.SKIP, reason)
            return
        if not self._in.used_password:
            password += "; the server asked for none"
        yield Finding(_CREDENTIALS, "password", Status.OK, password)
        yield Finding(_CREDENTIALS, "current_user", Status.OK, self._in.greeting.role)

    def _origin(self, key: str) -> str:
        origin = self._config.origins[key]
        if origin != "default":
            return origin
        return f"service {name}" if (name := self._config.extra.get("service")) else "the default"

    def _password_from(self) -> str:
        """Where the password comes from; "" where there is none."""
        shown = {name: (value, origin) for name, value, origin in self._config.describe()}
        value, origin = shown["password"]
        if origin != "default":
            return origin if value else ""
        if "service" in self._config.extra:
            return self._origin("password") if self._parameters.get("password") else ""
        return "the default" if value else ""

    def _connected(self, target: Target, address: str, seconds: float) -> socket.socket:
        line: socket.socket
        if target.is_socket:
            if not target.socket.startswith("\0") and not Path(target.socket).exists():
                raise FileNotFoundError
            line = self._lines.enter_context(socket.socket(socket.AF_UNIX))
            line.settimeout(seconds)
            line.connect(target.socket)
        else:
            where = (address, int(target.port))
            line = self._lines.enter_context(socket.create_connection(where, seconds))
        line.settimeout(self._timeout)
        return line

    def _taken(self) -> socket.socket:
        assert self._line is not None, "a step before has connected"
        return self._line


def _where(target: Target, address: str) -> str:
    return f"{target} ({address})" if address not in ("", target.host) else str(target)


def _looked_up(target: Target, seconds: float) -> list[str]:
    """
    The addresses of a name, each once; raises `OSError`, TimeoutError among them.

    The system's own function has no bound, so a thread waits for it that is left alone after that.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(target.host, int(target.port), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME))
        else:
            answers.put([*dict.fromkeys(str(one[4][0]) for one in found)])

    threading.Thread(target=look_up, name="looking up a host", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _partly(done: list[str], failed: list[ConnectProblem]) -> _Step:
    """A step that worked for some hosts, and for others maybe not."""
    if not failed:
        return _Step("; ".join(done))
    said = "; ".join([*done, *(one.message for one in failed)])
    return _Step(said, Status.WARN, failed[0].remedy)


def _together(failed: list[ConnectProblem]) -> ConnectProblem:
    """The cause where there are several hosts: all of them, and what helps with the first."""
    told = "; ".join(one.message for one in failed)
    return attrs.evolve(failed[0], message=told, is_final=all(one.is_final for one in failed))


def _is_missing(conninfo: Conninfo, database: str, timeout: float) -> bool:
    """Whether the server takes the login, and has no such database."""
    try:
        return log_in(conninfo, timeout, looking_for=database).is_missing
    except (psycopg.Error, TimeoutError):
        return False
