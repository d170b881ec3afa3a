"""Adapters that a program registered on its connection go on working."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.json import JsonbDumper
from psycopg.types.net import InterfaceDumper

from raxol_sql.engine.types.parameters import ParameterTypeMismatch

_types = psycopg.postgres.types


class Point:
    """A class of the program's own."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y


class PointDumper(Dumper):
    oid = _types["point"].oid

    def dump(self, obj: Point) -> bytes:
        return f"({obj.x},{obj.y})".encode()


class PointBinaryDumper(Dumper):
    oid = _types["point"].oid
    format = Format.BINARY

    def dump(self, obj: Point) -> bytes:
        return struct.pack("!dd", obj.x, obj.y)


class PointLoader(Loader):
    def load(self, data: Buffer) -> Any:
        return ("point", bytes(data))


class Shout(Dumper):
    """A str of any type, in capitals."""

    def dump(self, obj: str) -> bytes:
        return obj.upper().encode()


class Twice(Dumper):
    """An int, doubled."""

    def dump(self, obj: int) -> bytes:
        return str(2 * obj).encode()


class Home:
    """Registered with a dumper of psycopg's own."""

    def __str__(self) -> str:
        return "127.0.0.1"


@pytest.mark.parametrize("dumper", [PointDumper, PointBinaryDumper])
def test_a_class_of_the_program_goes_by_its_dumper(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any], dumper: type[Dumper]
) -> None:
    connection.adapters.register_dumper(Point, dumper)

    statement = prepare("select $1::point")

    assert statement.one(Point(1, 2)) == "(1,2)"
    assert statement.parameters.dump([Point(1, 2)])[1] == [dumper.format]


def test_the_dumper_counts_in_a_list_a_range_and_a_composite(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    connection.adapters.register_dumper(str, Shout)
    connection.adapters.register_dumper(Point, PointDumper)
    connection.adapters.register_dumper(int, Twice)

    assert prepare("select $1::int4").one(1) == 2
    assert prepare("select $1::int4[]").one([1, 2]) == [2, 4]
    assert prepare("select $1::text").one("a") == "A"
    assert prepare("select $1::text[]").one(["a", None]) == ["A", None]
    assert prepare("select $1::pair").one((1, "b")) == "(2,B)"
    assert prepare("select $1::point[]").one([Point(1, 2), "(3,4)"]) == ["(1,2)", "(3,4)"]


def test_a_value_whose_type_is_another_goes_as_a_text_but_not_for_a_text(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    connection.adapters.register_dumper(Point, PointDumper)

    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        prepare("select $1::int").one(Point(1, 2))
    with pytest.raises(ParameterTypeMismatch):
        prepare("select $1::text").one(Point(1, 2))


def test_binary_values_are_never_sent_for_another_type(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    connection.adapters.register_dumper(Point, PointBinaryDumper)

    for name in ("int8", "uuid", "text", "percentage"):
        with pytest.raises(ParameterTypeMismatch):
            prepare(f"select $1::{name}").one(Point(1, 2))


def test_psycopgs_dumpers_can_be_registered_for_other_classes(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    connection.adapters.register_dumper(Home, InterfaceDumper)
    connection.adapters.register_dumper(dict, JsonbDumper)
    connection.adapters.register_dumper(list, JsonbDumper)

    assert str(prepare("select $1::inet").one(Home())) == "127.0.0.1"
    assert str(prepare("select $1::cidr").one(Home())) == "127.0.0.1/32"
    assert prepare("select $1::jsonb").one({"a": 1}) == {"a": 1}
    assert prepare("select $1::jsonb").one([1, 2]) == [1, 2]
    assert prepare("select $1::int[]").one([1, 2]) == [1, 2]


def test_a_class_of_ones_own_stands_for_a_composite(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    info = CompositeInfo.fetch(connection, "pair")
    assert info is not None
    register_composite(
        info,
        connection,
        Point,
        make_object=lambda values, info: Point(*values),
        make_sequence=lambda point, info: (point.x, str(point.y)),
    )

    found = prepare("select $1::pair").one(Point(1, 2))

    assert (found.x, found.y) == (1, "2")
    assert prepare("select ($1::pair[])[1]::text").one([Point(1, 2)]) == "(1,2)"


def test_a_loader_for_the_text_only_makes_the_result_a_text(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    class Weird(Loader):
        def load(self, data: Buffer) -> Any:
            return "weird", bytes(data)

    connection.adapters.register_loader("int4", Weird)
    connection.adapters.register_loader("point", PointLoader)

    assert prepare("select $1::int4, $2::int8")(5, 6) == [(("weird", b"5"), 6)]
    assert prepare("select array[1, 2]")() == [([("weird", b"1"), ("weird", b"2")],)]
    assert prepare("select int4range(1, 2)").one().lower == ("weird", b"1")
    assert prepare("select '(1,2)'::point").one() == ("point", b"(1,2)")


def test_a_loader_for_the_binary_format_is_used_in_it(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    class Weird(Loader):
        format = Format.BINARY

        def load(self, data: Buffer) -> Any:
            return "weird", bytes(data)

    connection.adapters.register_loader("point", Weird)

    statement = prepare("select '(1,2)'::point")

    assert statement.columns.format == Format.BINARY
    assert statement.one() == ("weird", struct.pack("!dd", 1, 2))


def test_vectors_of_pgvector_work(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    pgvector = pytest.importorskip("pgvector")
    adapters = pytest.importorskip("pgvector.psycopg")
    available = "select count(*) from pg_available_extensions where name = 'vector'"
    if not prepare(available).one():
        pytest.skip("the server has no extension vector")
    connection.execute("create extension if not exists vector")
    adapters.register_vector(connection)

    statement = prepare("select $1::vector, $1 <-> $2, $3::vector[]")

    one, other = pgvector.Vector([1, 2]), pgvector.Vector([1, 4])
    assert statement(one, other, [one]) == [(one, 2.0, [one])]
    assert prepare("select $1::vector::text").one("[1,2]") == "[1,2]"
