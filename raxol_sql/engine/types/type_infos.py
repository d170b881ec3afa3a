"""Registration of a database's types in psycopg's registry and adapters."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Loader, Transformer
from psycopg.pq import Format
from psycopg.types import TypeInfo
from psycopg.types.composite import (
    CompositeInfo,
    register_composite,
)
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.multirange import MultirangeInfo, register_multirange
from psycopg.types.range import RangeInfo, register_range
from psycopg.types.string import TextBinaryLoader, TextLoader

from raxol_sql.engine.core.driver_internals import (
    enum_labels,
    parse_binary_record,
    parse_text_record,
)
from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.engine.types.catalog import FIRST_OF_USERS, PgType

_HERE = {"__module__": __name__}
_FORMATS = (Format.TEXT, Format.BINARY)


class DomainInfo(TypeInfo):
    """A domain, which has the values of its base type."""

    def __init__(self, name: str, oid: int, array_oid: int, *, regtype: str, base_oid: int) -> None:
        super().__init__(name, oid, array_oid, regtype=regtype)
        self.base_oid = base_oid


class TextInfo(TypeInfo):
    """A base type that the program has not registered; ``is_textual`` if in binary it is text."""

    def __init__(self, type: PgType) -> None:
        super().__init__(
            type.name, type.oid, type.array_oid, regtype=type.regtype, delimiter=type.delimiter
        )
        self.is_textual = type.is_textual


class AlteredTypeError(psycopg.DataError):
    """The composite ``oid`` has attributes unknown to this connection."""

    def __init__(self, message: str, oid: int = 0) -> None:
        super().__init__(message)
        self.oid = oid


class _CompositeLoader(Loader):
    """Values of a composite; ``make`` makes them of the attributes."""

    regtype: str
    types: tuple[int, ...]
    make: Callable[[Sequence[Any]], Any]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._oid = oid
        # A transformer has the loaders of one sequence of types.
        self._transformer = Transformer(context)
        self._transformer.set_loader_types(self.types, self.format)

    def load(self, data: Buffer) -> Any:
        parts = self._parts(data)
        if len(parts) != len(self.types):
            raise AlteredTypeError(
                f"the type {self.regtype} was altered after this connection read its definition: "
                "run the query again",
                self._oid,
            )
        return self.make(self._transformer.load_sequence(parts))

    def _parts(self, data: Buffer) -> Sequence[Buffer | None]:
        text = bytes(data)
        if text == b"()":
            return [None] * min(1, len(self.types))
        return parse_text_record(text[1:-1])


class _CompositeBinaryLoader(_CompositeLoader):
    format = Format.BINARY

    def _parts(self, data: Buffer) -> Sequence[Buffer | None]:
        parts, oids = parse_binary_record(data)
        return parts if tuple(oids) == self.types else []


def install(context: AdaptContext, type: PgType, live: Callable[[int], PgType | None]) -> None:
    """
    Has a connection read and write a type; its parts have to be installed before.

    What the program registered with psycopg for the type stays. What it registered under another
    OID, which the database has not, was for the same type before it was created again, or in
    another database, and holds for this one.
    """
    adapters = context.adapters
    registered = adapters.types.get(type.oid)
    if registered is not None and registered.name == type.name:
        return
    program = _program(context)
    named = program.types.get(type.regtype) or program.types.get(type.name)
    if (
        named is None
        or not _is_gone(named, type, live)
        or not _install_registered(context, type, named)
    ):
        _INSTALL[type.kind](context, type)


def _program(context: AdaptContext) -> AdaptersMap:
    """What the program registered, without what was installed here since."""
    connection = context.connection
    return context.adapters if connection is None else connection.adapters


def _is_gone(named: TypeInfo, type: PgType, live: Callable[[int], PgType | None]) -> bool:
    """Whether what is registered by a name is a type of users that the database does not have."""
    return named.oid >= FIRST_OF_USERS and named.oid != type.oid and live(named.oid) is None


def _install_registered(context: AdaptContext, type: PgType, named: TypeInfo) -> bool:
    """Registers for a type what the program registered for one of its name."""
    adapters = _program(context)
    loader: Any = adapters.get_loader(named.oid, Format.TEXT)
    if isinstance(named, EnumInfo) and named.enum is not None and type.kind == "e":
        known = enum_labels(loader)
        mapping = [(member, label.decode()) for label, member in known.items()]
        if not {label for _, label in mapping} & set(type.labels):
            return False  # another database has another type of that name
        register_enum(_enum_info(type), context, named.enum, mapping=mapping)
        return True
    if isinstance(named, CompositeInfo) and type.kind == "c" and hasattr(loader, "make_object"):
        info = _composite_info(type)
        if info.field_names != named.field_names:
            return False
        factory: Any = named.python_type or tuple
        sequence = None
        if named.python_type is not None:
            dumper: Any = adapters.get_dumper(named.python_type, _TEXT_DUMPER)
            sequence = dumper.make_sequence
        register_composite(
            info, context, factory, make_object=loader.make_object, make_sequence=sequence
        )
        return True
    loaders = [adapters.get_loader(named.oid, format) for format in _FORMATS]
    if type.kind == "b" and any(loaders):
        TextInfo(type).register(context)
        for one in filter(None, loaders):
            context.adapters.register_loader(type.oid, one)
        return True
    return False


def _install_enum(context: AdaptContext, type: PgType) -> None:
    _enum_info(type).register(context)
    _load_as_text(context.adapters, type.oid)


def _install_base(context: AdaptContext, type: PgType) -> None:
    TextInfo(type).register(context)
    if type.is_textual:
        _load_as_text(context.adapters, type.oid)


def _install_domain(context: AdaptContext, type: PgType) -> None:
    DomainInfo(
        type.name, type.oid, type.array_oid, regtype=type.regtype, base_oid=type.part
    ).register(context)
    for format in _FORMATS:
        loader = context.adapters.get_loader(type.part, format)
        if loader is not None:
            context.adapters.register_loader(type.oid, loader)


def _install_composite(context: AdaptContext, type: PgType) -> None:
    info = _composite_info(type)
    info.register(context)
    make = _tuple_class(type.name, info.field_names)
    for loader in _composite_loaders(info.regtype, info.field_types, make):
        context.adapters.register_loader(type.oid, loader)


def _install_range(context: AdaptContext, type: PgType) -> None:
    info = RangeInfo(
        type.name, type.oid, type.array_oid, regtype=type.regtype, subtype_oid=type.part
    )
    register_range(info, context)


def _install_multirange(context: AdaptContext, type: PgType) -> None:
    of = context.adapters.types.get(type.part)
    if not isinstance(of, RangeInfo):
        return
    info = MultirangeInfo(
        type.name,
        type.oid,
        type.array_oid,
        regtype=type.regtype,
        range_oid=type.part,
        subtype_oid=of.subtype_oid,
    )
    register_multirange(info, context)


def _nothing(context: AdaptContext, type: PgType) -> None:
    """An array comes with its element, and a pseudo-type has no values."""


_INSTALL: dict[str, Callable[[AdaptContext, PgType], None]] = {
    "a": _nothing,
    "b": _install_base,
    "c": _install_composite,
    "d": _install_domain,
    "e": _install_enum,
    "m": _install_multirange,
    "p": _nothing,
    "r": _install_range,
}


def install_class(context: AdaptContext, oid: int, made: type, make: Callable[[Any], Any]) -> None:
    """Has what is read of a type made into values of a class, by a function of what it was."""
    for format in _FORMATS:
        usual = context.adapters.get_loader(oid, format)
        if usual is None or python_class(usual) is not None:
            continue
        names = {"usual": usual, "format": format, "made": made, "make": staticmethod(make)}
        names.update(_HERE)
        context.adapters.register_loader(oid, type("_ClassLoader", (_MadeLoader,), names))


class _MadeLoader(Loader):
    """Values of the class ``made``, of what the ``usual`` loader gives."""

    usual: type[Any]
    made: type
    make: Callable[[Any], Any]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._load = self.usual(oid, context).load

    def load(self, data: Buffer) -> Any:
        return self.make(self._load(data))


def python_class(loader: type[Any] | None) -> type | None:
    """The class that `install_class` has a loader make; None for any other loader."""
    return loader.made if loader is not None and issubclass(loader, _MadeLoader) else None


def _enum_info(type: PgType) -> EnumInfo:
    return EnumInfo(type.name, type.oid, type.array_oid, type.labels, regtype=type.regtype)


def _composite_info(type: PgType) -> CompositeInfo:
    return CompositeInfo(
        type.name,
        type.oid,
        type.array_oid,
        regtype=type.regtype,
        field_names=[name for name, _ in type.fields],
        field_types=[oid for _, oid in type.fields],
    )


def _load_as_text(adapters: AdaptersMap, oid: int) -> None:
    usual = {Format.TEXT: TextLoader, Format.BINARY: TextBinaryLoader}
    for format, plain in usual.items():
        known = adapters.get_loader(_TEXT, format)
        fast = known is not None and is_builtin_adapter(known)
        adapters.register_loader(oid, known if fast and known is not None else plain)


@cache
def _composite_loaders(
    regtype: str, types: tuple[int, ...], make: Callable[[Sequence[Any]], Any]
) -> tuple[type[Loader], type[Loader]]:
    # Else an abstract class that is made by calling `type` says that it stands in abc.
    names = {"regtype": regtype, "types": types, "make": staticmethod(make), **_HERE}
    return (
        type("_KnownCompositeLoader", (_CompositeLoader,), names),
        type("_KnownCompositeBinaryLoader", (_CompositeBinaryLoader,), names),
    )


@cache
def _tuple_class(name: str, fields: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """What makes a tuple of the attributes, which can also be read by name."""
    # A name that Python does not take stays unnamed.
    make_class: Any = namedtuple
    made = make_class(name if name.isidentifier() else "Composite", fields, rename=True)
    return made._make  # type: ignore[no-any-return]


_TEXT = psycopg.postgres.types["text"].oid
_TEXT_DUMPER = psycopg.adapt.PyFormat.TEXT
