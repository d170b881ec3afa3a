"""Rows of every kind become the blocks of a COPY, and one that does not fit says where."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.copy_in import HEADER, TRAILER

if TYPE_CHECKING:
    from tests.engine.copying.conftest import Copier

NAMES = ("id", "name", "share")
FORMATS = pytest.mark.parametrize("format", ["text", "binary"])


@attrs.frozen
class Share:
    """A record with one field more than there are columns."""

    name: str | None
    id: int
    share: Decimal | None = None
    note: str = ""


@attrs.frozen
class Half:
    """A record that lacks a column."""

    id: int
    name: str


Named = namedtuple("Named", NAMES)


@pytest.fixture(scope="module")
def shares(copier: Copier) -> Copier:
    copier.connection.execute(
        "create unlogged table shares (id int, name text, share numeric); "
        "create unlogged table single (v text); "
        "create unlogged table documents (id int, body jsonb, tags text[])"
    )
    return copier


def found(copier: Copier) -> list[Any]:
    text = "with gone as (delete from shares returning *) select * from gone order by id"
    return copier.connection.execute(text).fetchall()


@FORMATS
@pytest.mark.parametrize(
    "rows",
    [
        [(1, "a", Decimal("1.5")), (2, None, None)],
        [[1, "a", Decimal("1.5")], [2, None, None]],
        [[1, "a", Decimal("1.5")], (2, None, None)],
        [deque([1, "a", 1.5]), deque([2, None, None])],
        [Named(1, "a", 1.5), Named(2, None, None)],
        [{"share": 1.5, "id": 1, "name": "a"}, {"id": 2, "name": None, "share": None}],
        [OrderedDict(id=1, share=1.5, name="a"), UserDict(id=2, name=None, share=None)],
        [Share("a", 1, Decimal("1.5")), Share(None, 2)],
        [Share("a", 1, Decimal("1.5")), {"id": 2, "name": None, "share": None}],
    ],
)
def test_sequences_mappings_and_records_are_rows(
    shares: Copier, rows: list[Any], format: str
) -> None:
    assert shares.into("shares", NAMES, rows, format) == 2
    assert found(shares) == [(1, "a", Decimal("1.5")), (2, None, None)]
    assert shares.into("shares", NAMES, iter(rows), format) == 2
    assert len(found(shares)) == 2


@FORMATS
def test_a_single_column_is_read_from_rows_of_every_kind(shares: Copier, format: str) -> None:
    @attrs.frozen
    class Single:
        v: str

    for row in (("ab",), {"v": "ab"}, Single("ab"), ["ab"]):
        assert shares.into("single", ["v"], [row, row], format) == 2
        assert shares.taken("single") == ["ab", "ab"]


@FORMATS
def test_without_a_list_rows_go_in_the_order_of_the_table(shares: Copier, format: str) -> None:
    assert shares.into("shares", (), [(1, "a", 2)], format) == 1
    assert found(shares) == [(1, "a", Decimal(2))]
    with pytest.raises(rx.ParameterError, match=r"row 1 has 1 values for 3 columns: id, name, sh"):
        shares.into("shares", (), [(1, "a", 2), (2,)], format)
    with pytest.raises(rx.ParameterError, match="write the columns into the COPY"):
        shares.into("shares", (), [{"id": 1, "name": "a", "share": 2}], format)


@FORMATS
def test_no_row_is_a_whole_copy(shares: Copier, format: str) -> None:
    assert shares.into("shares", NAMES, [], format) == 0
    expected = [HEADER, TRAILER] if format == "binary" else []
    assert shares.blocks("shares", NAMES, [], format) == expected


class Missing(defaultdict[str, Any]):
    """A mapping that has what nobody put there."""


@FORMATS
@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ((2,), "row {0} has 1 values for 3 columns: id, name, share"),
        ((2, "b", 1, 2), "row {0} has 4 values for 3 columns: id, name, share"),
        ([], "row {0} has 0 values for 3 columns: id, name, share"),
        ({"id": 2, "name": "b"}, "row {0} has no share"),
        ({"id": 2, "name": "b", "shares": 1}, "row {0} has no share; row {0} has shares, which is"),
        ({"id": 2, "name": "b", "share": 1, "x": 1}, "row {0} has x, which is no column"),
        (Missing(None, id=2, name="b", x=1), "row {0} has no share; row {0} has x, which is no"),
        (Half(2, "b"), "row {0} has no share"),
        ("abc", "row {0} is a str, and no row"),
        (b"abc", "row {0} is a bytes, and no row"),
        (7, "row {0} is a int, and no row"),
        (None, "row {0} is a NoneType, and no row"),
        ({1, 2, 3}, "row {0} is a set, and no row"),
        (("SECRET", "b", 1), "row {0}: id is integer, and a str was given"),
        ((2**31, "b", 1), "row {0}: id is integer, and an int was given"),
        ((True, "b", 1), "row {0}: id is integer, and a bool was given"),
        ((2, 77, 1), "row {0}: name is text, and an int was given"),
        ((2, "SECRET\0", 1), "row {0}: name is text, and a str was given, which cannot be"),
        ((2, "SECRET\ud800", 1), "row {0}: name is text, and a str was given, which cannot be"),
        ((2, "b", "SECRET"), "row {0}: share is numeric, and a str was given"),
        ((2, "b", Decimal("1E+200000")), "row {0}: share is numeric, and a Decimal was given"),
        ((2, "b", object()), "row {0}: share is numeric, and an object was given"),
        ((2, "b", [1]), "row {0}: share is numeric, and a list was given"),
    ],
)
def test_a_row_that_does_not_fit_is_named_by_its_number_and_column(
    shares: Copier, row: Any, problem: str, format: str
) -> None:
    for place in (0, 1, 700, 3000):
        rows = [*[(1, "a", 1)] * place, row, (3, "c", 1)]
        try:
            shares.into("shares", NAMES, rows, format)
        except rx.ParameterError as error:
            assert str(error).startswith(f"q.into: {problem.format(place)}")
            assert "SECRET" not in str(error)
        except psycopg.Error as error:
            # A value that has a text in every case is for the server to judge.
            assert isinstance(error, psycopg.DataError)
            assert format == "text" or "\0" in row[1]
            assert f"line {place + 1}, column" in str(error.diag.context) or "\0" in row[1]
        else:
            pytest.fail("it was copied")
        assert found(shares) == []
