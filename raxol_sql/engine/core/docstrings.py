"""Docstrings shared by the synchronous and the asyncio interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def copy_doc(twin: Callable[..., Any]) -> Callable[[F], F]:
    """Copy the docstring of the synchronous method to its asyncio counterpart."""

    def document(method: F) -> F:
        method.__doc__ = twin.__doc__
        return method

    return document
