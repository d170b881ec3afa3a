"""What the document on testing shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raxol_sql import testing


def test_the_examples_run_as_they_stand(
    repository: Path, accounts_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    text = (repository / "docs" / "testing.md").read_text()
    namespace: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    for block in blocks:
        exec(compile(block, "docs/testing.md", "exec"), namespace)

    assert len(blocks) == 6


def test_every_method_is_in_the_document_and_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "testing.md").read_text()
    for kind in (testing.FaultProxy, testing.FaultServer, testing.Standby, testing.Fired):
        for name, member in vars(kind).items():
            if not name.startswith("_") and callable(member):
                assert member.__doc__, name
    shown = [*vars(testing.FaultProxy), *vars(testing.FaultServer)]
    unshown = {"close", "pass_", "backends", "wait_until_ready", "is_running"}
    unshown |= {"port", "project", "log", "pid"}

    assert {
        name for name in shown if not name.startswith("_") and not re.search(rf"\b{name}\b", text)
    } <= unshown
