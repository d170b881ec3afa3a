"""What a condition in a plan asks of a table: pure, from the server's own text of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import attrs

_NAME = r'(?:"(?:[^"]|"")+"|[a-z_\x80-\U0010ffff][\w$]*)'
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_COLUMN = re.compile(rf"({_NAME})\.({_NAME})")
_TERM = re.compile(rf"\(?({_NAME})\.({_NAME})\)?(::text)? (=|<|<=|>|>=) (.+)", re.DOTALL)


@attrs.frozen
class Wish:
    """
    What a condition asks of one table.

    ``columns`` are all that it names, in order. ``equal`` and ``ranged`` are those that an index
    could find rows by: compared with something that is the same for each row. Columns in ``cast``
    are so only if they are varchar, which is read as text. All are quoted where they have to be.
    """

    columns: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    ranged: tuple[str, ...] = ()
    cast: frozenset[str] = frozenset()

    def indexable(self, varchars: Iterable[str]) -> tuple[str, ...]:
        """The columns of an index that would serve: the equal ones, and one that has a range."""
        usable = {*self.equal, *self.ranged} - (self.cast - set(varchars))
        equal = [one for one in self.equal if one in usable]
        ranged = [one for one in self.ranged if one in usable and one not in equal]
        return (*equal, *ranged[:1])


def wish_of(condition: str, alias: str) -> Wish:
    """What a condition, as a verbose plan writes it, asks of the table with that alias."""
    columns: list[str] = []
    equal: list[str] = []
    ranged: list[str] = []
    cast: set[str] = set()
    for table, column in _COLUMN.findall(_without_literals(condition)):
        if _is(table, alias):
            columns.append(column)
    for term in _terms(condition):
        found = _TERM.fullmatch(term)
        if found is None or not _is(found[1], alias) or _names(found[5], alias):
            continue
        (equal if found[4] == "=" else ranged).append(found[2])
        if found[3]:
            cast.add(found[2])
    return Wish(_once(columns), _once(equal), _once(ranged), frozenset(cast))


def _terms(condition: str) -> Iterator[str]:
    """The parts of a condition that all have to be true."""
    inner = _bare(condition)
    if any(_places(inner, " OR ")):
        return
    places = list(_places(inner, " AND "))
    if not places:
        yield inner
        return
    begin = 0
    for place in [*places, len(inner)]:
        yield from _terms(inner[begin:place])
        begin = place + len(" AND ")


def _bare(condition: str) -> str:
    """A condition without the brackets around all of it."""
    while condition.startswith("(") and _end(condition) == len(condition) - 1:
        condition = condition[1:-1]
    return condition


def _end(condition: str) -> int:
    """Where the bracket that stands first is closed."""
    depth = 0
    for place, character in _solid(condition):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place
    return -1


def _places(condition: str, word: str) -> Iterator[int]:
    """Where a word stands outside of all brackets and literals."""
    depth = 0
    for place, character in _solid(condition):
        depth += (character == "(") - (character == ")")
        if depth == 0 and condition.startswith(word, place):
            yield place


def _solid(condition: str) -> Iterator[tuple[int, str]]:
    """The characters outside of literals and quoted names, with their places."""
    blank = _QUOTED.sub(lambda found: "\0" * len(found.group()), condition)
    return ((place, character) for place, character in enumerate(blank) if character != "\0")


def _without_literals(condition: str) -> str:
    return _QUOTED.sub(
        lambda found: "''" if found.group().startswith("'") else found.group(), condition
    )


def _names(text: str, alias: str) -> bool:
    return any(_is(table, alias) for table, _ in _COLUMN.findall(_without_literals(text)))


def _is(written: str, alias: str) -> bool:
    plain = written[1:-1].replace('""', '"') if written.startswith('"') else written
    return plain == alias


def _once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
