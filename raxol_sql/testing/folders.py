"""A project directory that lasts as long as a block."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raxol_sql.embedded.folder import find_folder


@contextmanager
def temporary_project() -> Iterator[Path]:
    """A new directory, gone in the end with all that an embedded server has made for it."""
    project = Path(tempfile.mkdtemp(prefix="rx"))
    try:
        # As root the server is run by nobody, who has to get here.
        project.chmod(0o755)
        yield project
    finally:
        folder = find_folder(project)
        if folder is not None and folder.base != folder.path:
            shutil.rmtree(folder.base, ignore_errors=True)
        shutil.rmtree(project, ignore_errors=True)
