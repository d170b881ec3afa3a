"""`raxol-sql validate`: a changeset's verdict, with no server anywhere."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RaxolSQL = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project", "nowhere")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured server that is none."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")


def test_what_is_wrong_is_said_by_field_without_a_server(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("validate", "User", '{"age": "4x", "email": "a@b.de"}')
    assert ran.code == 1
    assert [line.split() for line in ran.out.splitlines()[-2:]] == [
        ["age", "is", "invalid"],
        ["name", "can't", "be", "blank"],
    ]


def test_what_is_wrong_is_json_for_programs(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("validate", "User", '{"age": "4x", "id": 5}', "--format", "json")
    assert ran.code == 1
    assert json.loads(ran.out) == {
        "valid": False,
        "errors": {
            "age": ["is invalid"],
            "email": ["can't be blank"],
            "name": ["can't be blank"],
        },
        "ignored": ["id"],
    }


def test_nothing_wrong_ends_with_zero_and_what_is_left_out_is_named(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("validate", "User", '{"email": "a@b.de", "name": "A", "id": 5}')
    assert (ran.code, ran.out) == (0, "User: nothing is wrong with email, name\n")
    assert ran.err == "left out: id\n"


def test_the_input_may_come_from_stdin(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"user_id": "7", "theme": "dark"}'))
    assert raxol_sql("validate", "UserPreferences", "-").code == 0


def test_input_from_stdin_that_is_no_text_is_no_json(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    ran = raxol_sql("validate", "User", "-")
    assert (ran.code, "this is no JSON" in ran.err) == (2, True)


def test_a_name_that_commands_a_terminal_is_written_out(raxol_sql: RaxolSQL) -> None:
    given = {"email": "a@b.de", "name": "A", "\x1b[31mred": 1}
    ran = raxol_sql("validate", "User", json.dumps(given))
    assert (ran.code, ran.err) == (0, "left out: \\x1b[31mred\n")


def test_no_input_is_shown_again(raxol_sql: RaxolSQL) -> None:
    given = json.dumps({"email": "my-secret", "name": "my-secret\0", "age": "my-secret"})
    for form in ("table", "json"):
        ran = raxol_sql("validate", "User", given, "--format", form)
        assert ran.code == 1
        assert "my-secret" not in ran.out + ran.err


def test_a_record_without_rules_of_its_own_takes_all_of_its_fields(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("validate", "AccountPreferences", '{"notifications_enabled": "maybe"}')
    assert (ran.code, ran.out.split()[-3:]) == (1, ["notifications_enabled", "is", "invalid"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("Usr", "{}"), "Usr is no record of this project; did you mean 'User'?"),
        (("User", "{"), "this is no JSON"),
        (("User", "[1]"), "give a JSON object"),
        (("User", "[" * 100_000), "this JSON is nested too deep"),
        (("User", f'{{"age": {"9" * 5000}}}'), "this is no JSON"),
    ],
)
def test_a_wrong_name_and_what_is_no_object_are_wrong_usage(
    raxol_sql: RaxolSQL, words: tuple[str, str], told: str
) -> None:
    ran = raxol_sql("validate", *words)
    assert ran.code == 2
    assert told in ran.err


def test_a_project_without_records_says_so(raxol_sql: RaxolSQL, project: Path) -> None:
    (project / "raxol_sql.toml").write_text("")
    ran = raxol_sql("validate", "User", "{}")
    assert (ran.code, "there are none" in ran.err) == (2, True)
