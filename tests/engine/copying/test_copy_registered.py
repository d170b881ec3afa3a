"""What a program registered with psycopg holds in a COPY as it does in a query."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.enum import EnumInfo, register_enum

if TYPE_CHECKING:
    from tests.engine.copying.conftest import Copier

FORMATS = pytest.mark.parametrize("format", ["text", "binary"])


class Name(str):
    """A kind of str with nothing special."""

    __slots__ = ()


class Hidden(str):
    """A text that is never to be written as it is."""

    __slots__ = ()


class HiddenDumper(Dumper):
    """The way of a program to write it."""

    def dump(self, value: str) -> bytes:
        return b"*" * len(value)


class ShiftedDumper(Dumper):
    """The way of a program to write every int."""

    oid = psycopg.postgres.types["int4"].oid
    format = Format.BINARY

    def dump(self, value: int) -> bytes:
        return (value + 1).to_bytes(4, "big")


class ReversedDumper(Dumper):
    """The way of a program to write every bytes object."""

    oid = psycopg.postgres.types["bytea"].oid
    format = Format.BINARY

    def dump(self, value: bytes) -> bytes:
        return value[::-1]


def test_dumpers_that_the_program_registered_write_their_values(own: Copier) -> None:
    own.connection.execute("create temp table kept (id int, name text, data bytea, tags text[])")
    names = ("id", "name", "data", "tags")
    adapters = own.connection.adapters
    adapters.register_dumper(Hidden, HiddenDumper)
    for format in ("text", "binary"):
        own.into("kept", names, [(1, "a", b"ab", ["x"]), (2, Hidden("ab"), b"", [])], format)
    adapters.register_dumper(int, ShiftedDumper)
    adapters.register_dumper(bytes, ReversedDumper)
    own.into("kept", names, [(7, "a", b"ab", ["x"]), (8, Hidden("ab"), b"cd", [])], "binary")
    assert own.connection.execute("select id, name, data, tags from kept").fetchall() == [
        *[(1, "a", b"ab", ["x"]), (2, "**", b"", [])] * 2,
        *[(8, "a", b"ba", ["x"]), (9, "**", b"dc", [])],
    ]


class Label(str, enum.Enum):  # noqa: UP042 (as programs have it that are older than StrEnum)
    """An enum whose labels on the server are its names."""

    ok = "Fine!"


@FORMATS
def test_a_kind_of_str_is_written_in_its_way_among_many_of_the_usual(
    own: Copier, format: str
) -> None:
    own.connection.execute("create temp table kinds (id int, label mood, name text)")
    info = EnumInfo.fetch(own.connection, "mood")
    assert info is not None
    register_enum(info, own.connection, Label)
    own.connection.adapters.register_dumper(Hidden, HiddenDumper)
    usual = [(0, "sad", "x")] * 3000
    odd = [(1, Label.ok, Name("y")), (2, "ok", Hidden("zz"))]
    assert own.into("kinds", ("id", "label", "name"), [*usual, *odd, *usual], format) == 6002
    found = own.connection.execute("select label::text, name from kinds where id > 0 order by id")
    assert found.fetchall() == [("ok", "y"), ("ok", "**")]


@FORMATS
def test_an_enum_that_is_registered_goes_alone_and_in_lists(own: Copier, format: str) -> None:
    own.connection.execute("create temp table feelings (label mood, labels mood[])")
    info = EnumInfo.fetch(own.connection, "mood")
    assert info is not None
    register_enum(info, own.connection, Label)
    rows = [(Label.ok, [Label.ok, None]), (None, []), (Label.ok, [[Label.ok], [Label.ok]])]
    assert own.into("feelings", ("label", "labels"), rows, format) == 3
    assert own.connection.execute("select * from feelings").fetchall() == rows
