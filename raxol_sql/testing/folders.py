"""A project directory that lasts as long as a block."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raxol_sql.embedded.folder import find_folder

# A folder in memory, where making a standby takes a third of the time, and how many bytes have to
# be free for servers to be there: each may write a gigabyte of WAL.
_MEMORY = Path("/dev/shm")
_ROOMY = 4 * 1024**3


@contextmanager
def temporary_project() -> Iterator[Path]:
    """A new directory, gone in the end with all that an embedded server has made for it."""
    project = Path(tempfile.mkdtemp(prefix="rx", dir=_roomy_memory()))
    try:
        # As root the server runs as another user, who has to get here.
        project.chmod(0o755)
        yield project
    finally:
        folder = find_folder(project)
        if folder is not None and folder.base != folder.path:
            shutil.rmtree(folder.base, ignore_errors=True)
        shutil.rmtree(project, ignore_errors=True)


def _roomy_memory() -> Path | None:
    is_roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOMY
    return _MEMORY if is_roomy else None
