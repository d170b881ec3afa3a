"""The tree that errors.py draws is the tree that its classes make."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import psycopg_pool
import pytest
from psycopg import OperationalError
from psycopg.errors import QueryCanceled

import raxol_sql as rx
from raxol_sql import errors
from raxol_sql.errors import DefinitionError, RaxolSQLError
from raxol_sql.failures import OutcomeToken, ServerEpoch

CLASSES: dict[str, type[Exception]] = {
    name: member
    for name, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, Exception)
    and not issubclass(member, Warning)
    and member.__module__ == errors.__name__
}
API = (Path(__file__).parent.parent / "docs" / "api.txt").read_text(encoding="utf-8")
_LINE = re.compile(r"    (?P<before>[│ ├└─]*)(?P<name>[A-Za-z]+)(?P<rest>.*)")
_BUILTIN = re.compile(r"\b([A-Z][A-Za-z]*Error|QueryCanceled|PoolTimeout)\b")
# Those of the driver and of its pool, which stand beside the builtins.
DRIVER = {
    kind.__name__: kind for kind in (OperationalError, QueryCanceled, psycopg_pool.PoolTimeout)
}


def _drawn() -> dict[str, tuple[str | None, set[str]]]:
    """By the name of each class in the drawing: the class above it, and the builtins beside it."""
    assert errors.__doc__ is not None
    drawing = errors.__doc__.split("\n\n")[1]
    found: dict[str, tuple[str | None, set[str]]] = {}
    above: list[str] = []
    last = ""
    for line in drawing.splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None, line
        name, rest = match["name"], match["rest"]
        if match["before"].strip("│ ") == "" and last:
            # A second line of the builtins of the one before.
            found[last][1].update(_BUILTIN.findall(name + rest))
            continue
        depth = len(match["before"]) // 4
        above[depth:] = [name]
        found[name] = (above[depth - 1] if depth else None, set(_BUILTIN.findall(rest)))
        last = name
    return found


DRAWN = _drawn()


def test_every_class_is_drawn_and_nothing_else() -> None:
    assert DRAWN.keys() == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_hangs_where_it_is_drawn(name: str) -> None:
    above, builtins = DRAWN[name]
    bases = {base.__name__ for base in CLASSES[name].__bases__}

    assert bases == ({above} if above else {"Exception"}) | builtins


def test_the_error_that_a_caller_already_catches_catches_ours() -> None:
    assert issubclass(rx.errors.UnknownQueryError, AttributeError)
    assert issubclass(rx.errors.UnknownQueryError, KeyError)
    assert issubclass(rx.errors.ParameterError, TypeError)
    assert issubclass(rx.NoRowsError, LookupError)
    assert not issubclass(rx.NoRowsError, KeyError)


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_public_and_documented(name: str) -> None:
    assert getattr(rx.errors, name) is CLASSES[name]
    assert f"class {name}(" in API
    assert (CLASSES[name].__doc__ or "").strip()


def _examples() -> list[RaxolSQLError]:
    excerpt = "     7 | select\n       | ^"
    wrong = DefinitionError("a problem", "a remedy", "a.sql", 7, 3, excerpt, "users.get")
    special: dict[str, RaxolSQLError] = {
        "DefinitionError": wrong,
        "LoadError": errors.LoadError([wrong, DefinitionError("b", "c", "b.sql")]),
        "UnknownQueryError": errors.UnknownQueryError("users.gte", ["users.get", "users.all"]),
        "ParameterError": errors.ParameterError("users.get", ["id is missing", "x is unknown"]),
        "MissingQueryError": errors.MissingQueryError(
            "users.first", "Repo.first runs it", "sql/users.sql", "-- name: first :maybe", ["get"]
        ),
        "InvalidChangesetError": errors.InvalidChangesetError(
            "User", {"email": ["can't be blank"], "age": ["is invalid"]}
        ),
        "QueryKindError": errors.QueryKindError("users.get", "is no :copy"),
        "DeadlineExceededError": errors.DeadlineExceededError("rolled back"),
        "OutcomeUnknownError": errors.OutcomeUnknownError(
            "the line was cut", OutcomeToken(ServerEpoch("7", "00000001", "1"), 5, created=1.0)
        ),
    }
    for name in (
        "ResultError",
        "NoRowsError",
        "TooManyRowsError",
        "RecordError",
        "StaleRecordError",
    ):
        special[name] = getattr(errors, name)("users.get", "a.sql:7", "expected else")
    return [special.get(name) or CLASSES[name]("what happened") for name in CLASSES]  # type: ignore[misc]


EXAMPLES = [pytest.param(error, id=type(error).__name__) for error in _examples()]


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        *[
            lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ],
    ],
)
@pytest.mark.parametrize("error", EXAMPLES)
def test_an_error_survives_copying_and_pickling(
    error: RaxolSQLError, copied: Callable[[RaxolSQLError], RaxolSQLError]
) -> None:
    other = copied(error)

    assert type(other) is type(error)
    assert str(other) == str(error)
    assert repr(other) == repr(error)
    assert other.args == error.args or isinstance(error, errors.LoadError)
    assert vars(other).keys() == vars(error).keys()


@pytest.mark.parametrize("error", EXAMPLES)
def test_notes_are_copied_along(error: RaxolSQLError) -> None:
    error = copy.copy(error)
    error.add_note("in query users.get")

    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in query users.get"]


@pytest.mark.parametrize("error", EXAMPLES)
def test_every_builtin_that_is_drawn_catches_the_error(error: RaxolSQLError) -> None:
    above, builtins = DRAWN[type(error).__name__]
    for name in [above or "RaxolSQLError", *sorted(builtins)]:
        expected = CLASSES.get(name) or DRIVER.get(name) or __builtins__[name]  # type: ignore[index]
        with pytest.raises(expected):
            raise error


def test_an_error_of_a_file_says_where_and_what_would_be_right() -> None:
    error = DefinitionError("a problem", "a remedy", "a.sql", 7, 3, "  7 | x\n    | ^", "users.get")

    assert str(error) == ("a.sql:7:3: a problem (query users.get)\n  7 | x\n    | ^\n    a remedy")
    assert str(DefinitionError("a problem", "a remedy", "a")) == "a: a problem\n    a remedy"


def test_a_load_error_counts_and_lists() -> None:
    one = DefinitionError("a problem", "a remedy", "a.sql")

    assert str(rx.errors.LoadError([one])).splitlines()[0] == "1 error in SQL files"
    assert str(rx.errors.LoadError([one, one])).splitlines()[0] == "2 errors in SQL files"
    assert rx.errors.LoadError([one, one]).errors == (one, one)


@pytest.mark.parametrize(
    ("nearest", "tail"),
    [
        ((), ""),
        (("users",), "; did you mean 'users'?"),
        (("users", "user"), "; did you mean 'users' or 'user'?"),
    ],
)
def test_an_unknown_name_offers_what_is_near(nearest: tuple[str, ...], tail: str) -> None:
    error = rx.errors.UnknownQueryError("usres", nearest)

    assert str(error) == f"there is no query or namespace 'usres'{tail}"


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [("int", "an int"), ("object", "an object"), ("str", "a str"), ("UUID", "a UUID")],
)
def test_a_type_is_named_with_its_article(noun: str, phrase: str) -> None:
    assert errors.with_article(noun) == phrase
