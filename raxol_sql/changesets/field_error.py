"""What is wrong with one field."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

_PLACE = re.compile(r"%\{(\w+)\}")


@attrs.frozen
class FieldError:
    """
    What is wrong with a field; its text is the message, as a form shows it.

    ``template`` is that message with places for ``details``, as in ``must be greater than
    %{number}``, for those who translate it; ``validation`` is the kind of rule that says so, as in
    "number". It holds nothing that was given. Can be hashed and pickled.
    """

    template: str
    validation: str
    details: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, template: str, validation: str, /, **details: object) -> FieldError:
        """The same, with details by name."""
        return cls(template, validation, tuple(details.items()))

    @property
    def named(self) -> Mapping[str, object]:
        """The details by name."""
        return dict(self.details)

    def __str__(self) -> str:
        named = self.named
        return _PLACE.sub(lambda place: str(named.get(place[1], place[0])), self.template)
