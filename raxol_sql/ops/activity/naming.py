"""Which query of the project a statement is that the server tells of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import attrs

from raxol_sql.queries import Query
from raxol_sql.text.fingerprint import fingerprint, masked
from raxol_sql.text.lexer import TokenKind, tokenize
from raxol_sql.text.source import Problem
from raxol_sql.text.variants import all_statements

# A number's place; our own lexer knows only parameters with names.
_PLACE = re.compile(r"(?<![\w$])\$[0-9]+")
_TAG = re.compile(r"(?:,|(?<=/\*))\s*query='(?P<name>[A-Za-z_][\w.]{0,199})'")
# What the server tells to those who may not know.
_HIDDEN = re.compile(r"<.+>")
# Characters of a text that are told, of a screen's width or more.
_LONGEST = 300
_UNKNOWN = "(not shown to this role)"


@attrs.frozen
class Label:
    """
    What a statement is called: a query's name, or its own text on one line, without its values.

    ``is_name`` says which of the two it is; ``is_own``, that the statement is one of those that
    look at the server for this.
    """

    text: str
    is_name: bool = False
    is_own: bool = False

    @property
    def is_hidden(self) -> bool:
        """Whether the server hides the statement from this role."""
        return self.text == _UNKNOWN


class Names:
    """
    The names of statements, by their text: those of ``queries``, and of ``own`` ones.

    A tag in a comment, ``/*query='users.get'*/``, is stronger than the text; two queries with one
    text are named both. Immutable, and safe to use from any thread.
    """

    def __init__(self, queries: Iterable[Query[Any]] = (), own: Iterable[Query[Any]] = ()) -> None:
        known: dict[str, list[str]] = {}
        for query in queries:
            for print_ in dict.fromkeys(_fingerprints(query)):
                known.setdefault(print_, []).append(query.name)
        self._known = {print_: ", ".join(names) for print_, names in known.items()}
        self._own = frozenset(print_ for query in own for print_ in _fingerprints(query))
        self._label = lru_cache(maxsize=4096)(self._found)

    def label(self, text: str, longest: int | None = None) -> Label:
        """
        What the statement ``text`` is called.

        ``longest`` is the number of bytes at which the server cuts texts off: one of that length
        is named where only one query begins like it.
        """
        is_cut = longest is not None and len(text.encode()) >= longest - 4
        return self._label(text, is_cut)

    def _found(self, text: str, is_cut: bool) -> Label:
        if _HIDDEN.fullmatch(text):
            return Label(_UNKNOWN)
        if tagged := _tag_of(text):
            return Label(tagged, is_name=True)
        print_ = fingerprint(text)
        name = self._known.get(print_) or (is_cut and self._begun_by(print_)) or None
        own = print_ in self._own
        return Label(name or masked(text, _LONGEST), is_name=name is not None, is_own=own)

    def _begun_by(self, print_: str) -> str | None:
        # The last word may be a part of one.
        whole = print_.removesuffix(" …").rpartition(" ")[0]
        found = {name for known, name in self._known.items() if known.startswith(whole)}
        return found.pop() if len(found) == 1 else None


def _fingerprints(query: Query[Any]) -> Iterator[str]:
    return (fingerprint(one.text) for one in all_statements(query.definition.template))


def _tag_of(text: str) -> str | None:
    if "query='" not in text:
        return None
    text = _PLACE.sub("0", text)
    # What is not SQL to its end, or was cut off, may have its tag before that.
    with suppress(Problem):
        for token in tokenize(text):
            is_comment = token.kind is TokenKind.BLOCK_COMMENT
            if is_comment and (tag := _TAG.search(text, token.start + 2, token.end - 2)):
                return tag["name"]
    return None
