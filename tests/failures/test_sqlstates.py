"""The table of SQLSTATEs knows all that the server and the driver know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from raxol_sql.failures.failure import Category, Verdict
from raxol_sql.failures.sqlstates import _ROWS, SQLSTATES

if TYPE_CHECKING:
    from raxol_sql import embedded

# What the server says to the name of a condition that does not exist.
NO_SUCH_NAME = "42704"
CODE_OF = """\
    create function pg_temp.code_of(name text) returns text language plpgsql as $$
    begin
        raise exception using errcode = name;
    exception when others or query_canceled or assert_failure then
        return sqlstate;
    end $$
"""
# The program in which the server keeps the names of its conditions.
NAMES = """\
    select pg_read_binary_file(setting || '/' || file)
    from pg_config, pg_ls_dir(setting) as file
    where name = 'PKGLIBDIR' and file ~ '^plpgsql[.](so|dylib|dll)$'
"""
LIST = """\
    select pg_read_file(setting || '/errcodes.txt', 0, 10000000, true)
    from pg_config
    where name = 'SHAREDIR'
"""


@pytest.fixture
def superuser(server: embedded.Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        yield connection


def possible_names(program: bytes) -> list[str]:
    # Of two texts with the same end a linker may keep the longer one.
    found = set()
    for word in re.findall(rb"[a-z][a-z0-9_]{4,}", program):
        parts = word.decode().split("_")
        found |= {"_".join(parts[start:]) for start in range(len(parts))}
    return sorted(found)


def driver_codes() -> set[str]:
    kinds = vars(psycopg.errors).values()
    return {
        kind.sqlstate
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate
    }


def test_every_condition_that_the_server_can_raise_by_name_has_a_verdict(
    superuser: psycopg.Connection[Any],
) -> None:
    ((program,),) = superuser.execute(NAMES).fetchall()
    superuser.execute(CODE_OF)

    rows = superuser.execute(
        "select distinct pg_temp.code_of(name) from unnest(%s::text[]) as name",
        [possible_names(program)],
    )
    codes = {code for (code,) in rows}

    # All but a few that share their name with another one.
    assert len(codes) > 240
    assert {NO_SUCH_NAME, "23505", "40001", "57014", "P0004", "XX002"} < codes
    assert codes - SQLSTATES.keys() == set()


def test_every_code_in_the_list_that_comes_with_the_server_has_a_verdict(
    superuser: psycopg.Connection[Any],
) -> None:
    ((text,),) = superuser.execute(LIST).fetchall()
    if text is None:
        pytest.skip("this server came without errcodes.txt")

    codes = dict(re.findall(r"^([0-9A-Z]{5})\s+([SWE])\s", text, re.MULTILINE))

    assert len(codes) > 240
    assert codes.keys() - SQLSTATES.keys() == set()
    notices = {code for code, row in SQLSTATES.items() if row.category is Category.NOTICE}
    assert {code for code, severity in codes.items() if severity != "E"} == notices


def test_every_code_that_the_driver_has_a_class_for_has_a_verdict() -> None:
    codes = driver_codes()

    assert len(codes) > 240
    assert codes - SQLSTATES.keys() == set()


def test_every_code_stands_in_the_table_once_and_in_order() -> None:
    codes = [code for code, *_ in _ROWS]

    assert codes == sorted(set(codes))
    assert [code for code in codes if not re.fullmatch(r"[0-9A-Z]{5}", code)] == []


def test_every_reason_is_a_clause_of_its_own() -> None:
    reasons = [row.reason for row in SQLSTATES.values()]

    for reason in reasons:
        assert re.fullmatch(r"[^.;\n]{7,90}", reason), reason
        assert not reason.endswith((" ", ","))


def test_nobody_can_change_the_table() -> None:
    with pytest.raises(TypeError):
        SQLSTATES["40001"] = SQLSTATES["40P01"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        SQLSTATES["40001"].verdict = Verdict.NEVER  # type: ignore[misc]
