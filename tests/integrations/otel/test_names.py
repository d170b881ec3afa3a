"""Names are those of the conventions, and a database is told by its address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating
from opentelemetry.semconv._incubating.metrics import db_metrics as pool_metrics
from opentelemetry.semconv.attributes import db_attributes, error_attributes, server_attributes
from opentelemetry.semconv.metrics import db_metrics
from opentelemetry.semconv.schemas import Schemas

from raxol_sql.integrations import attributes, pools
from tests.integrations.otel.conftest import Watching


@pytest.mark.parametrize(
    ("url", "pool", "told"),
    [
        (
            "postgresql://db.example.org/shop",
            "db.example.org:5432/shop",
            {"db.namespace": "shop", "server.address": "db.example.org"},
        ),
        (
            "postgresql://db.example.org:6543/shop",
            "db.example.org:6543/shop",
            {"db.namespace": "shop", "server.address": "db.example.org", "server.port": 6543},
        ),
        (
            "postgresql:///shop?host=/var/run/postgresql",
            "/var/run/postgresql:5432/shop",
            {"db.namespace": "shop", "server.address": "/var/run/postgresql"},
        ),
        ("postgresql://a,b:6543/shop", "/shop", {"db.namespace": "shop"}),
        ("postgresql:///?service=shop", "/", {}),
    ],
)
def test_the_address_is_what_is_known_of_it_and_nothing_that_is_guessed(
    made_up_at: Callable[..., Any],
    watching: Watching,
    url: str,
    pool: str,
    told: dict[str, Any],
) -> None:
    source = made_up_at(url)
    watching.over(source)

    source.tell()

    (span,) = watching.spans()
    found = dict(span.attributes or {})
    place = ("db.namespace", "server.address", "server.port")
    assert {name: found[name] for name in place if name in found} == told
    assert watching.levels("db.client.connection.max") == {pool: 9}


def test_names_are_those_of_the_conventions() -> None:
    constants = {
        *_strings(db_attributes),
        *_strings(error_attributes),
        *_strings(server_attributes),
        *_strings(db_metrics),
        incubating.DB_RESPONSE_RETURNED_ROWS,
        incubating.DB_CLIENT_CONNECTION_POOL_NAME,
        incubating.DB_CLIENT_CONNECTION_STATE,
        *(
            value
            for name, value in vars(pool_metrics).items()
            if name.startswith("DB_CLIENT_CONNECTION_")
        ),
    }
    written = {
        word
        for module in (attributes, pools)
        for word in _words(Path(module.__file__ or "").read_text())
    }

    assert len(written) >= 15
    assert written - constants == set()
    assert attributes.SCHEMA in {schema.value for schema in Schemas}
    assert db_attributes.DbSystemNameValues.POSTGRESQL.value == "postgresql"


def _strings(module: Any) -> set[str]:
    return {value for value in vars(module).values() if isinstance(value, str)}


def _words(text: str) -> set[str]:
    """The names in dots that are written in a module, but for our own."""
    return set(re.findall(r'"((?:db|error|server)\.[a-z_.]+)"', text))
