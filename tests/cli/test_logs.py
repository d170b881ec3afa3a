"""What the command line logs of its own queries."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.usefixtures("project", "migrated")
def test_every_query_is_one_line_in_the_log_with_its_figures(
    raxol_sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_SQL_LOG", "debug")

    ran = raxol_sql("run", "users.count")

    lines = [line for line in ran.err.splitlines() if "QUERY" in line]
    own = [line for line in lines if "name=users.count" in line]
    assert ran.code == 0
    assert len(own) == 1
    assert re.search(r"DEBUG QUERY OK name=users.count db=\d+\.\dms .*rows=1 attempt=1", own[0])
    assert "QUERY" not in ran.out


@pytest.mark.usefixtures("project", "migrated")
def test_nothing_is_logged_where_nobody_asks_and_a_wrong_level_is_told(
    raxol_sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "QUERY" not in raxol_sql("run", "users.count").err
    monkeypatch.setenv("RAXOL_SQL_LOG", "loud")

    ran = raxol_sql("run", "users.count")

    assert ran.code == 2
    assert "RAXOL_SQL_LOG is one of debug, info, warning, error" in ran.err
