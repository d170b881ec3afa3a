"""Rights, passwords and encryption: what an attacker could do with this session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from psycopg.errors import InsufficientPrivilege
from psycopg.sql import Identifier

from raxol_sql.ops.amounts import counted, some
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "security"
_LEAST = (
    "create role app login;"
    " grant select, insert, update, delete on all tables in schema public to app;"
    " grant usage on all sequences in schema public to app;"
)


def of_role(subject: Subject, row: Any) -> Iterator[Finding]:
    """What is to be said of the row of ``security.role``."""
    status, remedy = Status.WARN, _LEAST
    if row.is_superuser:
        said = f"{row.name} is a superuser: the server checks no rights and no row security"
        if subject.server_is_embedded:
            said = f"{row.name} is a superuser, as the one role of the embedded server has to be"
            status, remedy = Status.OK, ""
        yield Finding(GROUP, "role", status, said, remedy)
        return
    rights = []
    if row.owned:
        rights.append(f"owns {counted(row.owned, 'table')}")
    if row.creates_in:
        rights.append(f"can create in the schema {some(row.creates_in)}")
    if row.attributes:
        rights.append(f"has {', '.join(row.attributes)}")
    if not rights:
        said = f"{row.name} can change rows and no tables"
        yield Finding(GROUP, "role", Status.OK, said)
        return
    said = f"{row.name} {' and '.join(rights)}: leave that to a role that migrates"
    yield Finding(GROUP, "role", status, said, remedy)


def of_public_schemas(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``security.public_schemas``."""
    if not rows:
        said = "no schema lets everybody create in it"
        yield Finding(GROUP, "public schema", Status.OK, said)
    for row in rows:
        said = f"everybody can create tables and functions in the schema {row.name}"
        remedy = f"revoke create on schema {row.name} from public;"
        yield Finding(GROUP, "public schema", Status.WARN, said, remedy)


def of_line(subject: Subject, row: Any) -> Iterator[Finding]:
    """What is to be said of the row of ``security.line``."""
    hosts = subject.config.hostname.split(",")
    if row is None:
        yield Finding(GROUP, "encryption", Status.SKIP, "the server does not show this session")
    elif row.is_encrypted:
        yield Finding(GROUP, "encryption", Status.OK, f"the connection has {row.version}")
    elif row.is_socket:
        said = "a Unix socket leaves nothing to encrypt"
        yield Finding(GROUP, "encryption", Status.OK, said)
    elif row.is_loopback or all(map(is_local, hosts)):
        said = "the connection does not leave this machine"
        yield Finding(GROUP, "encryption", Status.OK, said)
    else:
        said = f"the connection to {subject.config.hostname} is not encrypted"
        remedy = "set sslmode=verify-full in the connection's URL, and ssl = on on the server"
        yield Finding(GROUP, "encryption", Status.WARN, said, remedy)


def is_local(host: str) -> bool:
    """Whether a host, by its name alone, is this machine."""
    if host.startswith(("/", "@")) or host.lower() in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def of_password_encryption(subject: Subject, method: str) -> Iterator[Finding]:
    """Whether new passwords are kept in a way that is safe."""
    if method == "md5":
        said = "new passwords are kept as MD5, which is as good as the password itself"
        remedy = "alter system set password_encryption = 'scram-sha-256'; select pg_reload_conf();"
        yield Finding(GROUP, "password encryption", Status.WARN, said, remedy)
    else:
        yield Finding(GROUP, "password encryption", Status.OK, method)


def read_logins(subject: Subject) -> Iterable[Finding]:
    """How the passwords are kept of those who may log in, if this role may know."""
    try:
        with subject.database.transaction(read_only=True) as tx:
            rows: Any = tx.run(_QUERIES.logins())
    except InsufficientPrivilege:
        said = "which roles have no password, or one kept as MD5, is told to superusers only"
        return [Finding(GROUP, "passwords", Status.SKIP, said)]
    return of_logins(rows)


def of_logins(rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``security.logins``."""
    for row in rows:
        if row.is_md5:
            role = Identifier(row.name).as_string()
            said = f"the password of {role} is kept as MD5"
            remedy = f"\\password {role}  -- with password_encryption = 'scram-sha-256'"
            yield Finding(GROUP, "passwords", Status.WARN, said, remedy)
    without = [row.name for row in rows if row.has_none]
    if without:
        said = f"no password, so pg_hba.conf alone decides: {some(without)}"
        yield Finding(GROUP, "passwords", Status.OK, said)
    elif not any(row.is_md5 for row in rows):
        yield Finding(GROUP, "passwords", Status.OK, "every role that may log in has one")


_QUERIES = own_queries(__file__, "security")
CHECKS = (
    Check.asking(GROUP, "role", of_role, _QUERIES.role),
    Check.asking(GROUP, "public schema", of_public_schemas, _QUERIES.public_schemas),
    Check.asking(GROUP, "encryption", of_line, _QUERIES.line),
    Check.asking(
        GROUP, "password encryption", of_password_encryption, _QUERIES.password_encryption
    ),
    Check(GROUP, "passwords", read_logins, (_QUERIES.logins,)),
)
