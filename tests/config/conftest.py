"""Project files, written for a test, and a machine on which libpq finds nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _nothing_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGSERVICEFILE", "PGSYSCONFDIR", "PGSSLMODE", "PGAPPNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a ``raxol_sql.toml``, and gives its folder."""

    def write(text: str) -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "raxol_sql.toml").write_text(text, encoding="utf-8")
        return folder

    return write
