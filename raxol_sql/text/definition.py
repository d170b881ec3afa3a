"""What a query's text says: the values that parsing gives."""

from __future__ import annotations

import enum

import attrs

from raxol_sql.text.template import Template


class Kind(enum.Enum):
    """What a query promises to give."""

    ONE = "one"
    MAYBE = "maybe"
    MANY = "many"
    AFFECTED = "affected"
    EXEC = "exec"
    COPY = "copy"

    gives_rows: bool
    """Whether running the query gives rows; a COPY is not run, but copied."""

    def __init__(self, word: str) -> None:
        # Not a property: every statement of a batch asks for it.
        self.gives_rows = word in ("one", "maybe", "many")


@attrs.frozen
class Directives:
    """
    The `-- @word ...` lines of a query.

    ``timeout`` is in milliseconds, 0 for none; ``allow`` pairs the code of a silenced check with
    the reason.
    """

    idempotent: bool = False
    timeout: int | None = None
    null: tuple[str, ...] = ()
    not_null: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    allow: tuple[tuple[str, str], ...] = ()
    max_variants: int = 256


@attrs.frozen
class CopyShape:
    """
    What a COPY statement moves: into or out of the server, the columns it lists, if any, and the
    ``format``: ``text``, ``csv`` or ``binary``.

    It is of a ``relation``, whose name is given as it is written, or of a ``query``: the text in
    the brackets. ``layout`` are the options it has that make rows look otherwise than COPY writes
    them by itself, such as ``delimiter`` and ``header``.
    """

    into_server: bool
    columns: tuple[str, ...]
    format: str
    relation: str | None
    query: str | None = None
    layout: tuple[str, ...] = ()

    @property
    def look(self) -> str:
        """How the rows look, for people: ``csv``, ``text with header``."""
        return f"{self.format} with {', '.join(self.layout)}" if self.layout else self.format


@attrs.frozen
class Definition:
    """
    One named query as it is written.

    ``result`` is the word after ``->`` as written, ``doc`` the comment lines below the header,
    ``path``, ``line`` and ``offset`` (in characters) the place of the header.
    """

    namespace: tuple[str, ...]
    name: str
    kind: Kind
    result: str | None
    doc: str
    directives: Directives
    template: Template
    copy: CopyShape | None
    path: str
    line: int
    offset: int

    @property
    def qualified_name(self) -> str:
        """The name with its namespace, as in ``billing.invoices.get``."""
        return ".".join((*self.namespace, self.name))

    @property
    def location(self) -> str:
        """``path:line`` of the header."""
        return f"{self.path}:{self.line}"
