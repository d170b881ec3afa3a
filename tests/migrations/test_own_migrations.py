"""The migrations of this repository: users, and their preferences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raxol_sql.errors import MigrationError
from raxol_sql.migrations import new_outcomes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.migrations.conftest import Project

    Finish = Callable[[subprocess.Popen[str]], str]

EMAIL = r"[^\s@]+@[^\s@]+\.[^\s@]+"
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
PIECES = st.sampled_from(["a", "b.c", "@", ".", "@b.c", "\n", *BLANKS])
TEXTS = st.one_of(
    st.lists(PIECES, max_size=6).map("".join),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=10),
    st.from_regex(EMAIL, fullmatch=True).filter(lambda text: "\0" not in text),
)
INSERT = "insert into users (email, name, age) values (%s, %s, %s) returning id"


def test_they_apply_roll_back_to_nothing_and_apply_again(seed: Project) -> None:
    migrations = seed.migrations()

    migrations.apply()
    assert seed.tables() == {"users", "user_preferences", "raxol_outcomes"}
    migrations.rollback(None)
    assert seed.tables() == set()
    assert seed.query("select 1 from pg_proc where pronamespace = 'public'::regnamespace") == []
    migrations.apply()

    assert set(seed.states().values()) == {"applied"}
    assert migrations.status().invalid_indexes == ()


def test_bare_yoyo_applies_them_and_rolls_them_back(seed: Project, finish: Finish) -> None:
    finish(seed.yoyo("apply"))
    assert seed.tables() == {"users", "user_preferences", "raxol_outcomes"}

    finish(seed.yoyo("rollback", "--all"))
    assert seed.tables() == set()


def test_constraints_and_indexes_have_the_names_that_changesets_expect(
    seed: Project,
) -> None:
    seed.migrations().apply()

    constraints = seed.query(
        "select conname from pg_constraint "
        "where conrelid in ('users'::regclass, 'user_preferences'::regclass) and contype <> 'n'"
    )
    indexes = seed.query("select indexname from pg_indexes where tablename ~ '^user'")

    assert {name for (name,) in constraints} == {
        "users_pkey",
        "users_email_format",
        "users_email_length",
        "users_name_present",
        "users_age_positive",
        "user_preferences_pkey",
        "user_preferences_user_id_fkey",
    }
    assert {name for (name,) in indexes} == {
        "users_pkey",
        "users_email_index",
        "users_inserted_at_index",
        "user_preferences_pkey",
        "user_preferences_user_id_index",
    }


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        (("no-at-sign", "n", 1), "users_email_format"),
        (("a@b.c\n", "n", 1), "users_email_format"),
        (("a@b.c", "n", 0), "users_age_positive"),
        (("a@b." + "c" * 252, "n", 1), "users_email_length"),
        (("a@b.c", " \u3000", 1), "users_name_present"),
        (("taken@b.c", "n", 1), "users_email_index"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_the_name_of_the_rule(
    seed: Project, values: tuple[object, ...], constraint: str
) -> None:
    seed.migrations().apply()
    seed.query(INSERT, "taken@b.c", "n", None)

    with pytest.raises(psycopg.errors.IntegrityError) as caught:
        seed.query(INSERT, *values)

    assert caught.value.diag.constraint_name == constraint


def test_deleting_a_user_deletes_its_preferences(seed: Project) -> None:
    seed.migrations().apply()
    ((user,),) = seed.query(INSERT, "a@b.c", "n", 1)
    insert = "insert into user_preferences (user_id) values (%s)"
    seed.query(insert, user)

    with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
        seed.query(insert, user + 1)
    seed.query("delete from users")

    assert caught.value.diag.constraint_name == "user_preferences_user_id_fkey"
    assert seed.query("select * from user_preferences") == []


def test_updated_at_moves_with_a_change_and_only_then(seed: Project) -> None:
    seed.migrations().apply()
    seed.query("insert into users (email, name, updated_at) values ('a@b.c', 'n', 'epoch')")
    moved = "select updated_at > 'epoch', updated_at = now() from users"

    seed.query("update users set name = 'n'")
    assert seed.query(moved) == [(False, False)]
    seed.query("update users set updated_at = '2000-01-01', name = 'given'")
    assert seed.query("select updated_at = '2000-01-01' from users") == [(True,)]
    seed.query("update users set name = 'other'")
    assert seed.query("select updated_at > '2001-01-01' from users") == [(True,)]


def test_the_check_on_emails_and_pythons_fullmatch_agree_on_every_text(
    seed: Project,
) -> None:
    seed.migrations().apply()
    ((definition,),) = seed.query(
        "select pg_get_expr(conbin, conrelid) from pg_constraint "
        "where conname = 'users_email_format'"
    )
    verdicts = (
        f"select {definition} from unnest(%s::text[]) with ordinality as t (email, n) order by n"
    )

    with psycopg.connect(seed.database) as connection:

        @given(st.lists(TEXTS, min_size=20, max_size=100))
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def agree(texts: list[str]) -> None:
            rows = connection.execute(verdicts.encode(), [texts]).fetchall()

            assert [(text, bool(re.fullmatch(EMAIL, text))) for text in texts] == [
                (text, accepted) for text, (accepted,) in zip(texts, rows, strict=True)
            ]

        agree()


def test_every_single_character_is_a_blank_to_both_or_to_neither(seed: Project) -> None:
    seed.migrations().apply()
    ((definition,),) = seed.query(
        "select pg_get_expr(conbin, conrelid) from pg_constraint "
        "where conname = 'users_email_format'"
    )

    refused = seed.query(
        f"select n from generate_series(1, 1114111) as n, "
        f"lateral (select 'a' || chr(n) || '@b.c' as email) as t "
        f"where n not between 55296 and 57343 and not {definition} order by n"
    )

    assert "".join(chr(code) for (code,) in refused) == "".join(sorted([*BLANKS, "@"]))


def test_the_migration_for_outcomes_is_what_other_projects_get(
    repository: Path, tmp_path: Path
) -> None:
    up, down = new_outcomes(tmp_path / "migrations")

    own = repository / "migrations" / "0004-create-raxol-outcomes.sql"
    text = own.read_text().replace("\n-- depends: 0003-index-users-inserted-at", "")
    assert up.read_text() == text
    assert down.read_text() == own.with_name(down.name.replace("0001", "0004")).read_text()
    with pytest.raises(MigrationError, match="makes the table of outcomes already"):
        new_outcomes(tmp_path / "migrations")
