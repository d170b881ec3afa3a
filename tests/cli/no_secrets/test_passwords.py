"""Passwords are found in texts that others have put together, and everything else stays."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.config.passwords import MASK, without_passwords
from tests.cli.no_secrets.conftest import SECRET, leaks

lines = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
SCHEMES = st.sampled_from(["postgresql", "postgres", "postgresql+psycopg", "mysql"])


@given(SCHEMES, st.sampled_from(["", "me"]), lines, st.booleans())
@example("postgresql", "me", SECRET, False)
@example("postgresql", "me", "a@b", False)
def test_the_password_of_a_url_is_masked_whether_it_is_quoted_or_not(
    scheme: str, user: str, password: str, is_quoted: bool
) -> None:
    written = quote(password, safe="") if is_quoted else password

    shown = without_passwords(f"before '{scheme}://{user}:{written}@h:5432/d?x=1' after")

    assert shown == f"before '{scheme}://{user}:{MASK}@h:5432/d?x=1' after"
    assert without_passwords(shown) == shown


@given(st.text("abcXYZ", min_size=1), st.sampled_from(["password", "sslpassword", "PGPASSWORD"]))
def test_the_password_of_words_is_masked_with_what_comes_behind_it(
    password: str, name: str
) -> None:
    assert (
        without_passwords(f"no {name} = {password} dbname=d\nnext") == f"no {name} = {MASK}\nnext"
    )


@given(lines)
@example(SECRET)
def test_words_that_were_quoted_again_show_no_part_of_it(password: str) -> None:
    words = make_conninfo(host="h", password=f"canary{password}canary")

    for text in (words, repr(words), f'"{words}"', repr(repr(words))):
        assert not leaks(without_passwords(text))


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://localhost:5432/mine",
        "postgresql://[::1]:5432/mine",
        "postgresql://me@h/d",
        "connect to h:5432 as me@h",
        "write postgresql://user:password@host:port/database (in the password, @ is %40)",
        "set RAXOL_DB_PASS, or alter role me password '...'",
        "password: argument is wrong: give a text",
        "passwords = 3",
    ],
)
def test_what_is_no_password_stays(text: str) -> None:
    assert without_passwords(text) == text


@pytest.mark.parametrize("key", ["database", "username", "hostname"])
@pytest.mark.parametrize("value", [f"postgresql://me:{SECRET}@h/d", f"host=h password={SECRET}"])
def test_a_name_with_a_password_in_it_is_refused(key: str, value: str) -> None:
    with pytest.raises(rx.errors.ConfigError, match="a URL is for DATABASE_URL") as caught:
        rx.Config.find(start="/", environ={}, **{key: value})

    assert not leaks(str(caught.value))
