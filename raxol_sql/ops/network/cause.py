"""Why there is no connection, and what helps: by errors of the system and by SQLSTATE, no I/O."""

from __future__ import annotations

import socket
import ssl

import attrs
from psycopg.sql import Identifier

from raxol_sql.ops.network import hba
from raxol_sql.ops.network.hba import Attempt

CONFIG = "raxol-sql config shows where each part of the address comes from"
_CREDENTIALS = "raxol-sql config shows where the name and the password come from"
# Numbers of OpenSSL for what is wrong with a certificate.
_UNKNOWN_ISSUERS = (18, 19, 20, 21)
_EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 10, 62, 64


@attrs.frozen
class ConnectProblem:
    """
    Why a step failed: ``message`` for people, and ``remedy``.

    ``is_final`` says that the same would happen again, however long one waits. ``sqlstate`` is
    the server's code, where it gave one.
    """

    message: str
    remedy: str
    is_final: bool = False
    sqlstate: str | None = None


@attrs.frozen
class Login:
    """Who wants to go where."""

    user: str
    database: str
    asked_for: str = ""

    @property
    def role(self) -> str:
        """The user as SQL writes it."""
        return Identifier(self.user).as_string()

    @property
    def quoted(self) -> str:
        """The database as SQL writes it."""
        return Identifier(self.database).as_string()


def of_resolving(host: str, error: OSError) -> ConnectProblem:
    """A name that has no address."""
    again = error.args[:1] == (socket.EAI_AGAIN,)
    said = "no name server answers for it now" if again else "there is no such name"
    return ConnectProblem(
        f"the host name {host} has no address: {said}", f"fix the host name; {CONFIG}"
    )


def of_slow_resolving(host: str, seconds: float) -> ConnectProblem:
    """A host name without an address."""
    return ConnectProblem(
        f"the host name {host} has no address: the name servers gave no answer in {seconds:.1f} s",
        "see the name servers of this machine (/etc/resolv.conf), or give an address as the host",
    )


def of_connecting(where: str, error: OSError, seconds: float, *, is_socket: bool) -> ConnectProblem:
    """An address that cannot be connected to within ``seconds``."""
    if isinstance(error, TimeoutError):
        return ConnectProblem(
            f"no answer in {seconds:.1f} s",
            f"see whether a firewall is in between, and whether the address is right; {CONFIG}",
        )
    if isinstance(error, FileNotFoundError):
        return ConnectProblem(
            f"there is no socket {where}",
            f"start the server, or name the folder that its unix_socket_directories says; {CONFIG}",
        )
    if isinstance(error, PermissionError) and is_socket:
        return ConnectProblem(
            f"the socket {where} is not for this account of the system",
            "run this as an account that may use its folder, or use a host name",
            is_final=True,
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectProblem(
            "connection refused: no server listens there",
            f"start the server, or correct the address; {CONFIG}",
        )
    said = error.strerror or str(error)
    return ConnectProblem(
        f"it cannot be reached: {said}",
        f"see the network of this machine, and whether the address is right; {CONFIG}",
    )


def of_silence(seconds: float) -> ConnectProblem:
    """A server that takes the connection and says nothing."""
    return ConnectProblem(
        f"it takes connections, and gave no answer in {seconds:.1f} s",
        "see the server's log and its load, and whether it is PostgreSQL that listens there",
    )


def of_hanging_up() -> ConnectProblem:
    """A server that takes the connection and ends it."""
    return ConnectProblem(
        "it takes connections, and ends them at once",
        "see the server's log, and whether it is PostgreSQL that listens there",
    )


def of_no_tls(mode: str) -> ConnectProblem:
    """A server without TLS, where it is asked for."""
    return ConnectProblem(
        f"the server offers no TLS, and sslmode={mode} asks for it",
        "set ssl = on at the server, or use sslmode=prefer where the network is trusted",
        is_final=True,
    )


def of_tls(error: OSError, mode: str, host: str) -> ConnectProblem:
    """A handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said, remedy = _of_certificate(error, host)
        return ConnectProblem(f"TLS, sslmode={mode}: {said}", remedy, is_final=True)
    if isinstance(error, ssl.SSLError):
        return ConnectProblem(
            f"the handshake of TLS failed: {error.reason or 'no reason given'}",
            "see ssl_min_protocol_version, ssl_ciphers and the certificate of the server",
            is_final=True,
        )
    return ConnectProblem(
        f"the certificates to trust cannot be read: {error.strerror or error}",
        "name a file of root certificates in sslrootcert, or sslrootcert=system",
        is_final=True,
    )


def _of_certificate(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    code = error.verify_code
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return (
            f"the server's certificate is for another name than {host}",
            "connect by the name in the certificate, or have one made for this name",
        )
    if code == _EXPIRED:
        return "the server's certificate has expired", "have a new one made, and reload the server"
    if code in _UNKNOWN_ISSUERS:
        return (
            "the server's certificate is signed by no authority that this client trusts",
            "name the file of the certificate that issued it in sslrootcert",
        )
    return f"the server's certificate is refused: {error.verify_message}", "have it replaced"


def of_login(sqlstate: str | None, login: Login, routine: str, attempt: Attempt) -> ConnectProblem:
    """
    A login that the server refused.

    ``routine`` is the function of the server that did, "" where that is not known; the words of
    ``attempt`` are for what has none of ours. They hold no password.
    """
    if sqlstate == "28000":
        message, remedy = _of_authorization(login, routine, attempt)
    elif sqlstate in _LOGINS:
        message, remedy = _LOGINS[sqlstate]
    else:
        message, remedy = "the login failed: {words}", f"see the server's log; {_CREDENTIALS}"
    if sqlstate == "28P01" and not login.asked_for:
        message = "no password is given, and the server asks {role} for one"
    known = {
        "user": login.user,
        "role": login.role,
        "database": login.database,
        "quoted": login.quoted,
        "password": login.asked_for,
        "words": attempt.words,
    }
    return ConnectProblem(
        message.format(**known), remedy.format(**known), sqlstate not in _PASSING, sqlstate
    )


def _of_authorization(login: Login, routine: str, attempt: Attempt) -> tuple[str, str]:
    if routine == hba.BY_LINES:
        return _plain(hba.of_lines(attempt, login.role, login.quoted))
    if routine == hba.BY_METHOD:
        return _plain(hba.of_method(attempt, login.user, login.role))
    if routine:
        return (
            "there is no role {role} that may log in",
            "as a superuser: create role {role} login password '...'; or set RAXOL_DB_USER",
        )
    return (
        "the server does not let {role} in: there is no such role, or pg_hba.conf has no line "
        "for it",
        f"see the server's log, its roles and its pg_hba.conf; {_CREDENTIALS}",
    )


def _plain(texts: tuple[str, str]) -> tuple[str, str]:
    """Texts that are complete, as templates."""
    message, remedy = (text.replace("{", "{{").replace("}", "}}") for text in texts)
    return message, remedy


# Besides what has no code, these may be other at the next attempt.
_PASSING = {None, "53300", "57P03", "57P01", "57P02", "53200", "53100", "08006", "08P01"}
_STARTING = (
    "the server is starting up, shutting down or recovering",
    "wait for it: raxol-sql ping --wait 30; its log says what it does",
)
_LOGINS = {
    "28P01": (
        "the password for {role} ({password}) is refused, or there is no such role",
        f"set RAXOL_DB_PASS, or as a superuser: alter role {{role}} password '...'; {_CREDENTIALS}",
    ),
    "3D000": (
        "there is no database {quoted}: it does not exist yet, or has another name",
        "run raxol-sql setup",
    ),
    "42501": (
        "the role {role} may not connect to {quoted}",
        "as its owner: grant connect on database {quoted} to {role}",
    ),
    "53300": (
        "the server is full: it has as many sessions as max_connections, or a limit of the role "
        "or the database, lets in",
        "see who has them by a place that is kept for superusers, RAXOL_DB_USER=SUPERUSER "
        "raxol-sql pool-status; end sessions that are not needed, lower pool_size, or raise "
        "max_connections",
    ),
    "55000": (
        "the database {quoted} takes no connections",
        "as a superuser: alter database {quoted} allow_connections true",
    ),
    "57P03": _STARTING,
    "57P01": _STARTING,
    "57P02": _STARTING,
}
