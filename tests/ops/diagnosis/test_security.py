"""What is said of lines in the clear and of kept passwords, without a server."""

from __future__ import annotations

from types import SimpleNamespace as Row
from typing import Any

import pytest

from raxol_sql.ops.diagnosis import security
from raxol_sql.ops.finding import Status
from tests.ops.diagnosis.made_up import OK, SKIP, WARN, statuses, subject


def line(**changed: Any) -> Any:
    known = {
        "is_encrypted": False,
        "version": "TLSv1.3",
        "is_socket": False,
        "is_loopback": False,
        "address": "10.0.0.1",
    }
    return Row(**{**known, **changed})


@pytest.mark.parametrize(
    ("row", "hostname", "status"),
    [
        (line(), "db.example", WARN),
        (line(), "127.0.0.1,db.example", WARN),
        (line(is_encrypted=True), "db.example", OK),
        (line(is_socket=True), "db.example", OK),
        (line(is_loopback=True), "db.example", OK),
        (line(), "localhost", OK),
        (line(), "127.0.0.1", OK),
        (line(), "::1", OK),
        (line(), "10.0.0.2", WARN),
        (None, "db.example", SKIP),
    ],
)
def test_a_connection_in_the_clear_is_warned_of_where_it_leaves_the_machine(
    row: Any, hostname: str, status: Status
) -> None:
    assert statuses(security.of_line(subject(hostname=hostname), row)) == [status]


def test_passwords_are_told_by_how_they_are_kept() -> None:
    rows = [
        Row(name="Odd", is_md5=True, has_none=False),
        Row(name="peer", is_md5=False, has_none=True),
        Row(name="good", is_md5=False, has_none=False),
    ]
    found = [*security.of_logins(rows)]
    assert statuses(found) == [WARN, OK]
    assert 'of "Odd" is kept as MD5' in found[0].message
    assert statuses(security.of_logins(rows[2:])) == [OK]
