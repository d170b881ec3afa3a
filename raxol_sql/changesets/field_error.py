"""Errors of the fields of a changeset."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

_PLACE = re.compile(r"%\{(\w+)\}")


@attrs.frozen
class FieldError:
    """
    An error of a field; ``str()`` returns the message, as a form shows it.

    ``template`` is the message with placeholders for ``details``, as in ``must be greater than
    %{number}``, for translation; ``validation`` is the kind of the rule, such as "number". It
    contains no input. Hashable, and can be pickled.
    """

    template: str
    validation: str
    details: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, template: str, validation: str, /, **details: object) -> FieldError:
        """Return an error with details by name."""
        return cls(template, validation, tuple(details.items()))

    @property
    def named(self) -> Mapping[str, object]:
        """The details by name."""
        return dict(self.details)

    def __str__(self) -> str:
        named = self.named
        return _PLACE.sub(lambda place: str(named.get(place[1], place[0])), self.template)
