"""A class whose instances take their values freely, and then become instances of a frozen one."""

from __future__ import annotations

from inspect import getattr_static
from weakref import WeakKeyDictionary, ref

_OF_OBJECT = {
    "__init__": object.__init__,
    "__setattr__": object.__setattr__,
    "__delattr__": object.__delattr__,
}
_INIT_SUBCLASS = vars(object)["__init_subclass__"]
# A twin derives from its record, so it is kept by those who use it and not by this.
_twins: WeakKeyDictionary[type, ref[type]] = WeakKeyDictionary()


def twin_of(record: type) -> type | None:
    """
    A class of the same layout as ``record``, without its ``__init__`` and ``__setattr__``.

    An instance is made by calling it, filled by assignment, and becomes a ``record`` by assigning
    that to its ``__class__``, at a third of what ``object.__setattr__`` costs for each field. None
    where CPython does not allow that, or where making the class would run code of the program.
    """
    known = _twins.get(record)
    twin = known() if known is not None else None
    if twin is None:
        twin = _make(record)
        if twin is not None:
            _twins[record] = ref(twin)
    return twin


def _make(record: type) -> type | None:
    if (
        type(record) is not type
        or getattr_static(record, "__init_subclass__") is not _INIT_SUBCLASS
        or hasattr(record, "__del__")
    ):
        return None
    name = f"{record.__name__}Twin"
    # A sibling does not show in `record.__subclasses__()`, as a child does. But CPython 3.11 takes
    # none for a class with a slot for weak references, and no version does for one that inherits.
    if record.__bases__ == (object,):
        slots = vars(record).get("__slots__", ())
        sibling = type(name, (), {"__slots__": slots})
        if _becomes(sibling, record):
            return sibling
    child = type(name, (record,), {**_OF_OBJECT, "__slots__": ()})
    return child if _becomes(child, record) else None


def _becomes(twin: type, record: type) -> bool:
    instance = twin()
    try:
        instance.__class__ = record
    except (AttributeError, TypeError):
        return False
    return type(instance) is record
