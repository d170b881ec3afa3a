"""One documentation for a method and its twin of the other colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def copy_doc(twin: Callable[..., Any]) -> Callable[[F], F]:
    """Gives a method the documentation of its blocking twin, which says the same."""

    def document(method: F) -> F:
        method.__doc__ = twin.__doc__
        return method

    return document
