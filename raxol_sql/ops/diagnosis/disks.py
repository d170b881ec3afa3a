"""How full the disks are on which a server of this machine keeps its data."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from raxol_sql.ops.amounts import size
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "storage"
_CHECK = "disk"
_ELSEWHERE = "SQL does not show how full the disk is, and the server is on another machine"
_UNSEEN = "how full the disk is cannot be seen by this role or from this account"
_LOOK = "df -h  # on the server, for its data"


@attrs.frozen
class Disk:
    """What a place of data lies on: of ``total`` bytes ``free`` ones are left for writing."""

    place: str
    total: int
    free: int

    @property
    def percent(self) -> float:
        """How full it is, of a hundred."""
        return 100 * (1 - self.free / self.total) if self.total else 0.0


def of_places(subject: Subject, rows: Sequence[Any]) -> Iterable[Finding]:
    """What is to be said of the rows of ``disks.places``, after a look at each of them."""
    if not all(row.is_here for row in rows):
        return [Finding(GROUP, _CHECK, Status.SKIP, _ELSEWHERE, _LOOK)]
    found = [disk for row in rows if (disk := _seen(row)) is not None]
    if not found:
        return [Finding(GROUP, _CHECK, Status.SKIP, _UNSEEN, _LOOK)]
    return of_disks(found, subject.limits)


def of_disks(disks: Iterable[Disk], limits: Limits) -> Iterator[Finding]:
    """A finding for each disk that fills up, or one for the fullest if none does."""
    ordered = sorted(disks, key=lambda disk: -disk.percent)
    full = [disk for disk in ordered if disk.percent > limits.disk_warn_percent]
    for disk in full or ordered[:1]:
        said = (
            f"{disk.place}: {disk.percent:.0f}% full, {size(disk.free)} of {size(disk.total)} left"
        )
        if disk.percent > limits.disk_fail_percent:
            yield Finding(GROUP, _CHECK, Status.FAIL, said, _REMEDY)
        elif disk in full:
            yield Finding(GROUP, _CHECK, Status.WARN, said, _REMEDY)
        else:
            yield Finding(GROUP, _CHECK, Status.OK, said)


def _seen(row: Any) -> Disk | None:
    if row.path is None:
        return None
    try:
        usage = shutil.disk_usage(row.path)
    except OSError:
        return None
    return Disk(row.name, usage.total, usage.free)


_REMEDY = (
    "make room or a larger disk before writes fail (53100): see raxol-sql diagnose --only storage "
    "for bloat, and old files of the server's log"
)
_QUERIES = own_queries(__file__, "disks")
CHECKS = (Check.asking(GROUP, _CHECK, of_places, _QUERIES.places),)
