"""The text of one SQL file, and the places in it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import cached_property

import attrs

from raxol_sql.errors import DefinitionError

MAX_BYTES = 4 * 1024 * 1024
_NEWLINE = re.compile(r"\r\n|\n|\r")


class Problem(Exception):  # noqa: N818 (it never leaves `text`: users meet DefinitionError)
    """Something wrong at ``offset`` of a source; becomes a `DefinitionError` in `Source.error`."""

    def __init__(self, problem: str, remedy: str, offset: int) -> None:
        super().__init__(problem, remedy, offset)
        self.problem = problem
        self.remedy = remedy
        self.offset = offset


@attrs.frozen(slots=False)
class Source:
    """A file's path, as it is shown to people, and its decoded text; offsets are characters."""

    path: str
    text: str

    @classmethod
    def decode(cls, path: str, data: bytes) -> Source:
        """
        The source of a file's bytes: UTF-8, with or without a byte order mark, any line ends.

        Raises `DefinitionError` for other encodings, for a NUL character (which PostgreSQL cannot
        hold) and for more than 4 MiB, which is data rather than queries.
        """
        if len(data) > MAX_BYTES:
            size = len(data) / (1024 * 1024)
            raise DefinitionError(
                f"{size:.1f} MiB is too large for a file of queries (at most 4 MiB)",
                "keep queries here, and bring data in with a :copy query",
                path,
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
            before = cls(path, data[: error.start + bom].decode("utf-8-sig", "replace"))
            found = f"byte 0x{data[error.start + bom]:02x} is not UTF-8 here"
            raise before.error(Problem(found, "save the file as UTF-8", len(before.text))) from None
        source = cls(path, text)
        if (nul := text.find("\0")) >= 0:
            raise source.error(
                Problem("a NUL character", "remove it: PostgreSQL's text cannot hold one", nul)
            )
        return source

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _NEWLINE.finditer(self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def begins_line(self, offset: int) -> bool:
        """Whether only blanks stand before ``offset`` in its line."""
        line, column = self.place(offset)
        start = self._line_starts[line - 1]
        return not self.text[start : start + column - 1].strip()

    def error(self, problem: Problem, query: str | None = None) -> DefinitionError:
        """The public error for ``problem``, with its place and the line shown with a caret."""
        line, column = self.place(problem.offset)
        return DefinitionError(
            problem.problem,
            problem.remedy,
            self.path,
            line,
            column,
            self._excerpt(line, column),
            query,
        )

    def _excerpt(self, line: int, column: int) -> str:
        start = self._line_starts[line - 1]
        end = _NEWLINE.search(self.text, start)
        shown = self.text[start : end.start() if end else len(self.text)]
        # A line of data or of minified SQL would fill the screen: show what is near the caret.
        first = max(0, column - 81)
        shown, before = shown[first : first + 160], shown[first : column - 1]
        gutter = f"{line:>6} | "
        return f"{gutter}{shown}\n{' ' * 6} | {''.join(map(_blank, before))}^"


def _blank(character: str) -> str:
    """White space as wide as ``character`` is on a terminal."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
