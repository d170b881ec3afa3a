"""Names that other tools use are understood, or answered with what to use instead."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import embedded

ANYWHERE = Path("/")


def _of(url: str, form: str) -> rx.Config:
    if form == "DATABASE_URL":
        return rx.Config.find(start=ANYWHERE, environ={"DATABASE_URL": url})
    return rx.Config.find(url, start=ANYWHERE, environ={})


def _wrong(url: str, form: str = "argument url") -> str:
    with pytest.raises(rx.errors.ConfigError) as caught:
        _of(url, form)
    return str(caught.value)


UNDERSTOOD = [
    ("pgbouncer=true", "prepare", False),
    ("pgbouncer=false", "prepare", True),
    ("prepared_statements=false", "prepare", False),
    ("prepareThreshold=0", "prepare", False),
    ("statement_cache_size=0", "prepare", False),
    ("statement-cache-capacity=100", "prepare", True),
    ("connection_limit=3", "pool_size", 3),
    ("pool_size=3", "pool_size", 3),
    ("pool_max_conns=3", "pool_size", 3),
    ("pool_min_conns=1", "pool_min_size", 1),
    ("statement_timeout=3", "timeout", 3),
    ("statement_timeout=3s", "timeout", 3000),
    ("statement_timeout=1min", "timeout", 60_000),
    ("uselibpqcompat=true", "pool_size", 10),
]


@pytest.mark.parametrize("form", ["DATABASE_URL", "argument url", "words"])
@pytest.mark.parametrize(("parameter", "key", "value"), UNDERSTOOD)
def test_a_parameter_of_another_tool_sets_the_key_that_means_the_same(
    parameter: str, key: str, value: object, form: str
) -> None:
    url = f"host=h {parameter} dbname=d" if form == "words" else f"postgresql://h/d?{parameter}"

    config = _of(url, form)

    assert (getattr(config, key), config.hostname, config.database) == (value, "h", "d")
    assert config.extra == {}


@pytest.mark.parametrize(
    ("given", "mode"), [("true", "require"), ("0", "disable"), ("verify-full", "verify-full")]
)
def test_ssl_is_another_word_for_sslmode(given: str, mode: str) -> None:
    assert _of(f"postgresql://h/d?ssl={given}", "argument url").extra == {"sslmode": mode}


@pytest.mark.parametrize("schema", ["public", "billing", "My Schema", 'a"b\\c', "größe"])
def test_a_schema_is_where_names_are_looked_for(server: embedded.Server, schema: str) -> None:
    address = server.parameters()
    url = make_conninfo("", **address) + " schema=" + make_conninfo("", host=schema)[5:]
    config = rx.Config.find(url, start=ANYWHERE, environ={})

    with psycopg.connect(config.conninfo()) as connection:
        quoted = connection.execute("select quote_ident(%s)", [schema]).fetchone()
        assert connection.execute("show search_path").fetchone() == quoted


def test_a_schema_goes_before_the_options_that_are_given() -> None:
    url = "postgresql://h/d?schema=a&options=-c%20work_mem%3D1MB"

    assert _of(url, "argument url").extra == {"options": "-c search_path=a -c work_mem=1MB"}


def test_the_schema_that_prisma_always_names_is_not_sent_through_a_pooler() -> None:
    url = "postgresql://h/d?pgbouncer=true&schema=public"

    assert _of(url, "argument url").extra == {}


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("pool_timeout=3", "pool_timeout is no parameter of libpq: the wait for a connection"),
        ("sslaccept=strict", "sslaccept is no parameter of libpq: use sslmode=verify-full"),
        ("connectTimeout=3", "use connect_timeout, in seconds"),
        ("lock_timeout=3", "a setting of the server goes into options"),
        ("max_retries=3", "a key of raxol_sql: set RAXOL_DB_MAX_RETRIES"),
        ("sslMode=require", "did you mean 'sslmode'?"),
        ("aplication_name=x", "did you mean 'application_name'"),
        ("nothing=1", "nothing is no parameter that libpq or raxol_sql knows"),
        ("connection_limit=0", "the value of connection_limit is wrong: give a whole number"),
        ("pgbouncer=maybe", "the value of pgbouncer is wrong: give true or false"),
        ("connect_timeout=abc", "the value of connect_timeout is wrong: give a whole number"),
        ("keepalives_idle=1.5", "the value of keepalives_idle is wrong: give a whole number"),
        ("sslmode=no-verify", "the value of sslmode is wrong: give disable, allow"),
    ],
)
@pytest.mark.parametrize("form", ["DATABASE_URL", "argument url", "words"])
def test_any_other_parameter_is_named_with_what_to_use_instead(
    parameter: str, told: str, form: str
) -> None:
    secret = "s3cr3t-42"
    url = f"postgresql://u:{secret}@h/d?{parameter}&sslpassword={secret}"
    if form == "words":
        url = f"host=h password='{secret} x' {parameter} sslpassword={secret}"

    error = _wrong(url, form)

    assert told in error
    assert "in the password" not in error
    assert secret not in error


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("nothing", "nothing has no value"),
        ("sslmode", "sslmode has no value"),
        ("=1", "the parameters after the ? cannot be read"),
        ("application_name=%zz", "the parameters after the ? cannot be read"),
        ("application_name=a=b", "the parameters after the ? cannot be read"),
    ],
)
def test_a_query_that_cannot_be_read_is_told_as_such(query: str, told: str) -> None:
    error = _wrong(f"postgresql://u:s3cr3t@h/d?{query}")

    assert told in error
    assert "in the password" not in error


def test_all_that_is_wrong_with_a_url_is_named_at_once() -> None:
    error = _wrong("postgresql://h/d?nothing=1&pool_timeout=2&sslaccept=strict")

    assert all(name in error for name in ("nothing", "pool_timeout", "sslaccept"))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_in_words_is_read_as_libpq_reads_it(value: str) -> None:
    words = make_conninfo("", application_name=value, host="h") + " pgbouncer=true"

    config = rx.Config.find(words, start=ANYWHERE, environ={})

    assert config.extra.get("application_name", "") == value
    assert config.prepare is False


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("host", "did you mean 'hostname'?"),
        ("dbname", "did you mean 'database'?"),
        ("sslmode", "it is a parameter of libpq; write it into the URL"),
        ("statement_timeout", "write it into the URL, as in ?statement_timeout=..."),
        ("pool_timeout", "the wait for a connection is a part of timeout"),
    ],
)
def test_a_name_of_another_tool_that_is_given_as_a_key_is_answered_too(
    tmp_path: Path, key: str, told: str
) -> None:
    (tmp_path / "raxol_sql.toml").write_text(f"[dev]\n{key} = '1'\n")

    with pytest.raises(rx.errors.ConfigError, match=r"unknown key") as caught:
        rx.Config.find(start=ANYWHERE, environ={}, **{key: "1"})
    assert told in str(caught.value)
    with pytest.raises(
        rx.errors.ConfigError, match=r"raxol_sql.toml \[dev\]: unknown key"
    ) as caught:
        rx.Config.find(start=tmp_path, environ={})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("RAXOL_DB_PASSWORD", "use RAXOL_DB_PASS, or unset it"),
        ("RAXOL_DB_POOLSIZE", "use RAXOL_DB_POOL_SIZE, or unset it"),
        ("RAXOL_DB_DATABASE", "use RAXOL_DB_NAME, or unset it"),
        ("RAXOL_DB_USERNAME", "use RAXOL_DB_USER, or unset it"),
        ("RAXOL_DB_URL", "use DATABASE_URL, or unset it"),
        ("RAXOL_DB_TIMEOUTS", "use RAXOL_DB_TIMEOUT or RAXOL_DB_IDLE_TIMEOUT, or unset it"),
        ("raxol_db_pass", "use RAXOL_DB_PASS, or unset it"),
        ("RAXOL_DB_POOL_MIN_SIZE", "set pool_min_size in raxol_sql.toml"),
        ("RAXOL_DB_SSLMODE", "use PGSSLMODE, which libpq reads, or write sslmode into the URL"),
        ("RAXOL_DB_XYZ", "unset it (there are: RAXOL_DB_NAME, "),
    ],
)
@pytest.mark.parametrize("value", ["s3cr3t-42", ""])
def test_a_variable_that_only_looks_like_ours_is_an_error_with_the_nearest_name(
    name: str, told: str, value: str
) -> None:
    with pytest.raises(rx.errors.ConfigError) as caught:
        rx.Config.find(start=ANYWHERE, environ={name: value})

    assert f"{name} is not a variable of raxol_sql" in str(caught.value)
    assert told in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", ["RAXOL_DBPASS", "RAXOL_SQL_LOG", "RAXOL_ENVIRONMENT", "PGFOO"])
def test_variables_of_other_programs_are_left_alone(name: str) -> None:
    assert rx.Config.find(start=ANYWHERE, environ={name: "x"}).password == "postgres"
