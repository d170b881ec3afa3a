"""`raxol-sql docs` prints the documentation of queries and migrations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RaxolSQL = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project")


def test_every_query_is_written_down_with_what_it_gives_and_what_it_is_for(
    raxol_sql: RaxolSQL,
) -> None:
    text = raxol_sql("docs").out
    assert "## users\n" in text
    assert (
        "### get(id)\n\n`users.get` `:maybe` → User, in `users.sql`\n\nOne user by primary key.\n"
    ) in text


def test_a_document_that_is_stale_ends_the_check_with_one(
    raxol_sql: RaxolSQL, project: Path
) -> None:
    words = ("docs", "--output", "written/queries.md")
    missing = raxol_sql(*words, "--check")
    assert (missing.code, "is stale" in missing.err) == (1, True)
    assert raxol_sql(*words).code == 0
    assert raxol_sql(*words, "--check").code == 0
    file = project / "written" / "queries.md"
    file.write_text(file.read_text() + "more")
    assert raxol_sql(*words, "--check").code == 1
    assert raxol_sql("docs", "--check").code == 2
