"""
The public names with their signatures, as docs/api.txt lists them.

`python -m tests.api` in the checkout writes that file again.
"""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType

import attrs

FILE = Path(__file__).parent.parent / "docs" / "api.txt"
COMMAND = "python -m tests.api"
# In this order: what an earlier one has in full, a later one only names.
MODULES = (
    "raxol_sql",
    "raxol_sql.changesets",
    "raxol_sql.config",
    "raxol_sql.embedded",
    "raxol_sql.engine",
    "raxol_sql.errors",
    "raxol_sql.failures",
    "raxol_sql.locks",
    "raxol_sql.maintenance",
    "raxol_sql.migrations",
    "raxol_sql.repo",
    "raxol_sql.telemetry",
    "raxol_sql.testing",
)
_HEAD = f"""\
The public names of raxol_sql with their signatures. Generated: run `{COMMAND}`.
"""
_PLAIN = (type(None), bool, int, float, str, bytes)


def api() -> str:
    """Return the text of docs/api.txt."""
    known: dict[int, str] = {}
    lines = [_HEAD]
    for module in MODULES:
        lines.append(module)
        loaded = importlib.import_module(module)
        for name in public_names(loaded):
            value = getattr(loaded, name)
            if (first := known.get(id(value))) is not None:
                lines.append(f"    {name} = {first}")
                continue
            known[id(value)] = f"{module}.{name}"
            lines += [f"    {line}" for line in _lines_of(name, value)]
        lines.append("")
    return "\n".join(lines)


def public_names(module: ModuleType) -> list[str]:
    """Return the public names of a module; without `__all__` those are its classes."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    classes = inspect.getmembers(module, inspect.isclass)
    return [name for name, value in classes if value.__module__ == module.__name__]


def _lines_of(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield _function(name, value)
    elif isinstance(value, (*_PLAIN, tuple)):
        yield f"{name} = {value!r}"
    else:
        yield name


def _class(name: str, cls: type) -> Iterator[str]:
    bases = [base.__qualname__ for base in cls.__bases__ if base is not object]
    yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
        return
    if attrs.has(cls):
        yield from (f"    {field.name}: {field.type}" for field in attrs.fields(cls))
    members: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        # Methods of Python's and the driver's own classes differ from version to version.
        if base.__module__.partition(".")[0] == "raxol_sql":
            members.update(vars(base))
    for member, value in sorted(members.items()):
        if member == "__init__":
            yield f"    {_function(member, value)}"
        elif not member.startswith("_"):
            if isinstance(value, cached_property):
                yield f"    property {_function(member, value.func)}"
            elif isinstance(value, (property, classmethod, staticmethod)):
                kind = type(value).__name__
                function = value.fget if isinstance(value, property) else value.__func__
                yield f"    {kind} {_function(member, function)}"
            elif inspect.isfunction(value):
                yield f"    {_function(member, value)}"


def _function(name: str, function: object) -> str:
    assert callable(function), name
    is_async = inspect.iscoroutinefunction(function)
    signature = inspect.signature(function)
    parts: list[str] = []
    before: inspect.Parameter | None = None
    for parameter in signature.parameters.values():
        # The marks of what is given by place or by name alone.
        if before is not None and before.kind is before.POSITIONAL_ONLY != parameter.kind:
            parts.append("/")
        if parameter.kind is parameter.KEYWORD_ONLY and (
            before is None or before.kind not in (before.KEYWORD_ONLY, before.VAR_POSITIONAL)
        ):
            parts.append("*")
        parts.append(_parameter(parameter))
        before = parameter
    if before is not None and before.kind is before.POSITIONAL_ONLY:
        parts.append("/")
    returned = signature.return_annotation
    arrow = "" if returned is signature.empty else f" -> {_annotation(returned)}"
    return f"{'async ' * is_async}def {name}({', '.join(parts)}){arrow}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = parameter.default
        text += f" = {default!r}" if isinstance(default, _PLAIN) else " = ..."
    return text


def _annotation(annotation: object) -> str:
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__qualname__", None) or str(annotation)


if __name__ == "__main__":
    FILE.write_text(api(), encoding="utf-8")
