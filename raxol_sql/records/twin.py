"""Fast initialisation of frozen attrs classes, through a twin class that is not frozen."""

from __future__ import annotations

from inspect import getattr_static
from weakref import WeakKeyDictionary, ref

_OF_OBJECT = {
    "__init__": object.__init__,
    "__setattr__": object.__setattr__,
    "__delattr__": object.__delattr__,
}
_INIT_SUBCLASS = vars(object)["__init_subclass__"]
# A twin may derive from its record and keep it alive, so this table refers to twins weakly.
_twins: WeakKeyDictionary[type, ref[type]] = WeakKeyDictionary()


def twin_of(record: type) -> type | None:
    """
    Return a class of the same layout as ``record``, without its ``__init__`` and ``__setattr__``.

    Call it for an instance, assign the fields, and assign ``record`` to ``__class__``. That costs
    a third of ``object.__setattr__`` for each field. None if CPython does not allow this for the
    class, or if making the twin would run code of the program.
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
    # A sibling does not appear in `record.__subclasses__()`, as a child does. But CPython 3.11
    # accepts none for a class with a `__weakref__` slot, and no version for a class that inherits.
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
