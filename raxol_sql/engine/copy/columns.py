"""The columns of a COPY, queried from the catalogue."""

from __future__ import annotations

from typing import Any, Self

import attrs

# Asked with the relation as it stands in the COPY, and the columns that are listed there; of an
# empty list, all but the generated ones are meant, as COPY means it. A column that is not there
# is given without a type: that it is missing is said best by the COPY. The values of a domain
# travel as those of its base type.
COLUMNS = """
    with recursive listed (place, name) as (
        select given.place, given.name
        from unnest($2::name[]) with ordinality as given (name, place)
        union all
        select attribute.attnum, attribute.attname
        from pg_catalog.pg_attribute as attribute
        where cardinality($2::name[]) = 0
            and attribute.attrelid = $1::regclass
            and attribute.attnum > 0
            and not attribute.attisdropped
            and attribute.attgenerated = ''
    ),
    typed (place, name, type) as (
        select listed.place, listed.name, attribute.atttypid
        from listed
        left join pg_catalog.pg_attribute as attribute
            on attribute.attrelid = $1::regclass
            and attribute.attname = listed.name
            and attribute.attnum > 0
        union all
        select typed.place, typed.name, domain.typbasetype
        from typed
        join pg_catalog.pg_type as domain on domain.oid = typed.type and domain.typtype = 'd'
    )
    select
        typed.name::text,
        coalesce(typed.type, 0),
        coalesce(pg_catalog.format_type(typed.type, null), 'unknown'),
        coalesce(
            receive.prosrc in ('textrecv', 'varcharrecv', 'bpcharrecv', 'namerecv', 'enum_recv'),
            false
        )
    from typed
    left join pg_catalog.pg_type as type on type.oid = typed.type
    left join pg_catalog.pg_proc as receive on receive.oid = type.typreceive
        and receive.prolang = (select oid from pg_catalog.pg_language where lanname = 'internal')
    where type.typtype is distinct from 'd'
    order by typed.place
"""


@attrs.frozen
class ColumnInfo:
    """
    A column of a COPY, with the type of its values on the wire.

    ``type`` is the type's name; ``is_textual`` says that its binary form is its text, as for an
    enum.
    """

    name: str
    oid: int
    type: str
    is_textual: bool

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """Return the column that a row of `COLUMNS` describes."""
        return cls(*row)
