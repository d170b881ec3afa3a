"""In what two schemas differ. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import attrs

from raxol_sql.ops.drift.item import HOLDERS, Item


class Sort(enum.StrEnum):
    """How an object differs: it is not there, it should not be there, or it is another."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@attrs.frozen
class Difference:
    """
    One object that is not the same in two schemas.

    ``expected`` is None of one that is extra, ``found`` of one that is missing. ``inside`` are its
    parts that go with it, where it is there or missing as a whole, in an order in which they can
    be made.
    """

    expected: Item | None
    found: Item | None
    inside: tuple[Item, ...] = ()

    @property
    def sort(self) -> Sort:
        """How it differs."""
        if self.expected is None:
            return Sort.EXTRA
        return Sort.MISSING if self.found is None else Sort.CHANGED

    @property
    def item(self) -> Item:
        """The object, as it should be where that is known."""
        item = self.expected or self.found
        assert item is not None, "a difference is one of something"
        return item

    @property
    def key(self) -> tuple[Sort, tuple[int, str]]:
        """What it is recognized by among others."""
        return self.sort, self.item.key

    def swapped(self) -> Difference:
        """The same, seen from the other schema."""
        return Difference(self.found, self.expected, self.inside)


def compare(expected: Iterable[Item], found: Iterable[Item]) -> tuple[Difference, ...]:
    """
    Every object that is not the same in both, in an order in which they can be made.

    What is part of a table, a type or a domain that is missing or extra goes with that. Comparing
    the other way round gives the same differences, swapped.
    """
    before = {item.key: item for item in expected}
    after = {item.key: item for item in found}
    missing = {key: before[key] for key in before.keys() - after.keys()}
    extra = {key: after[key] for key in after.keys() - before.keys()}
    differences = [
        *(Difference(item, None, inside) for item, inside in _wholes(missing)),
        *(Difference(None, item, inside) for item, inside in _wholes(extra)),
        *(
            Difference(before[key], after[key])
            for key in before.keys() & after.keys()
            if before[key].definition != after[key].definition
        ),
    ]
    return tuple(sorted(differences, key=_order))


def without(items: Iterable[Item], patterns: Iterable[str]) -> frozenset[Item]:
    """
    Those whose name fits none of the patterns, and that are part of nothing whose name does.

    A pattern is one of a shell: ``jobs.*``, or ``public.orders_2*``.
    """
    chosen = tuple(patterns)
    return frozenset(
        item
        for item in items
        if not any(
            fnmatchcase(name, pattern)
            for pattern in chosen
            for name in (item.name, item.own, item.parent)
        )
    )


def _order(one: Difference) -> tuple[int, int, str]:
    kind, name = one.item.key
    return kind, max(item.place for item in (one.expected, one.found) if item), name


def _wholes(items: Mapping[tuple[int, str], Item]) -> list[tuple[Item, tuple[Item, ...]]]:
    """Each that is part of none of the others, with those that are part of it."""
    holders = {item.own: item for item in items.values() if item.kind in HOLDERS}
    inside: dict[tuple[int, str], list[Item]] = {}
    for item in items.values():
        top = item
        while (above := holders.get(top.parent)) is not None:
            top = above
        members = inside.setdefault(top.key, [])
        if top is not item:
            members.append(item)
    return [
        (items[key], tuple(sorted(members, key=lambda one: (one.key[0], one.place, one.key))))
        for key, members in inside.items()
    ]
