"""Why a server's pg_hba.conf does not let a login in, and what helps."""

from __future__ import annotations

import re

import attrs

# The functions of the server that refuse: by the lines of pg_hba.conf, and by what a line asks for.
BY_LINES, BY_METHOD = "ClientAuthentication", "auth_failed"
_ADDRESS = re.compile(r'\bhost "([^"]+)"')
_METHODS = {
    "Peer": (
        "the account of the system is not the role",
        "run this as the account {user}, or map the account in pg_ident.conf, or give the line of "
        "pg_hba.conf the method scram-sha-256 and set RAXOL_DB_PASS",
    ),
    "Ident": (
        "the account of the system is not the role",
        "map the account in pg_ident.conf, or give the line of pg_hba.conf the method "
        "scram-sha-256 and set RAXOL_DB_PASS",
    ),
    "certificate": (
        "the name in the client's certificate is not the role",
        "have a certificate made whose common name is {user} and name it in sslcert, or map the "
        "name in pg_ident.conf",
    ),
    "GSSAPI": (
        "the ticket of Kerberos is not for the role",
        "see klist and kinit, or map the principal in pg_ident.conf",
    ),
}


@attrs.frozen
class Attempt:
    """
    How the client came to a server that refused it.

    ``transport`` is "socket", "plain", "tls", or "any" where the client tried with TLS and
    without. ``works_otherwise`` says that the server does not refuse the transport that the
    client's ``sslmode`` rules out. ``words`` are what the server said, which may be in any
    language.
    """

    transport: str = "any"
    sslmode: str = "prefer"
    works_otherwise: bool = False
    words: str = ""


def of_lines(attempt: Attempt, role: str, quoted: str) -> tuple[str, str]:
    """
    What is wrong, and a remedy, where no line of pg_hba.conf lets a client in.

    ``role`` and ``quoted`` are the role and the database as SQL writes them.
    """
    if "client certificate" in attempt.words:
        return (
            f"the server asks {role} for a certificate, and the client gives none that it trusts",
            "name the client's certificate and its key in sslcert and sslkey of the connection "
            "string",
        )
    if attempt.works_otherwise and attempt.transport == "plain":
        return (
            f"the server takes {role} with TLS only, and sslmode={attempt.sslmode} rules it out",
            "set sslmode=require, or verify-full with sslrootcert, in the connection string",
        )
    if attempt.works_otherwise:
        line = _line("hostssl", attempt, role, quoted)
        return (
            f"the server takes {role} without TLS only, and sslmode={attempt.sslmode} asks for it",
            f"add a line to pg_hba.conf: {line}, and run select pg_reload_conf()",
        )
    kind = {"socket": "local", "tls": "hostssl"}.get(attempt.transport, "host")
    if attempt.transport == "any" and "GSS encryption" in attempt.words:
        kind = "hostgssenc"
    line = _line(kind, attempt, role, quoted)
    if "rejects connection" in attempt.words:
        return (
            f"a reject line in pg_hba.conf of the server keeps {role} out of {quoted} from here",
            f"the first line that fits counts: add above the reject line {line}, and run select "
            "pg_reload_conf(); or connect from a place or as a role that is let in",
        )
    return (
        f"pg_hba.conf of the server lets no {role} into {quoted} from here",
        f"add a line for them to pg_hba.conf, as in: {line}, and run select pg_reload_conf()",
    )


def of_method(attempt: Attempt, user: str, role: str) -> tuple[str, str]:
    """What is wrong, and a remedy, where a line fits and the client does not meet its method."""
    for method, (said, remedy) in _METHODS.items():
        if f"{method} authentication failed" in attempt.words:
            return f"{method} authentication of {role} failed: {said}", remedy.format(user=user)
    return (
        f"the server refused the authentication of {role}",
        "see the server's log, and the method that pg_hba.conf asks of this role",
    )


def _line(kind: str, attempt: Attempt, role: str, quoted: str) -> str:
    if kind == "local":
        return f"local {quoted} {role} scram-sha-256"
    found = _ADDRESS.search(attempt.words)
    address = "ADDRESS"
    if found and found[1] != "[local]":
        address = f"{found[1]}/{128 if ':' in found[1] else 32}"
    return f"{kind} {quoted} {role} {address} scram-sha-256"
