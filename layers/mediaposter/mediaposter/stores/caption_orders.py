"""The records of requests that have their captions written: who asks the model now, and the words once they are there.

A record is written before the model is asked. So a second try of the same request finds the words of the first, waits
while they are being written, or asks once more where the first one crashed; never a third time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self, TypedDict, Unpack

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.idempotency import IdempotencyRecord, request_key
from mediaposter.stores.table import Change, Create, Key, Put, Record, Replace, Table

# Two calls and their records take less, and a function has 29 seconds: a try that is silent for longer has crashed.
ASKING_MAX = timedelta(seconds=30)


class CaptionOrderChanges(TypedDict, total=False):
    """The fields that change: another try asks, or the words are there."""

    version: int
    tries: int
    asked_until: AwareDatetime
    texts: dict[str, str] | None
    faults: dict[str, str]
    spent_micros: int


class CaptionOrder(Record):
    """The captions of one request.

    Attributes:
        owner: of the request.
        name: what the request is known by, with its fingerprint: a key may be used again for another request.
        tries: how often the model was asked.
        asked_until: when the last try has crashed, if no words are there.
        texts: the words by network, once the model was asked.
        faults: why there are none for the other networks.
        spent_micros: what they cost.
        ttl: when the record expires, in seconds since 1970.
    """

    owner: str
    name: str
    tries: int = 1
    asked_until: AwareDatetime
    texts: dict[str, str] | None = None
    faults: dict[str, str] = Field(default_factory=dict)
    spent_micros: int = 0
    ttl: int

    @property
    def key(self) -> Key:
        return Key(request_key(self.owner, self.name).pk, "CAPTIONS")

    def copy_with(self, **fields: Unpack[CaptionOrderChanges]) -> Self:
        return self.model_copy(update=fields)


def order_captions(request: IdempotencyRecord, *, now: datetime, is_repeatable: bool) -> CaptionOrder:
    """Build the record of the first try of a request; one that cannot be sent again is known by its video."""
    name = f"{request.name} {request.fingerprint}" if is_repeatable else request.video_id
    return CaptionOrder(owner=request.owner, name=name, asked_until=now + ASKING_MAX, ttl=request.ttl)


class CaptionOrderStore:
    """Reads and writes these records."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, wanted: CaptionOrder, *, now: datetime) -> CaptionOrder | None:
        """Find the record of an earlier try, unless it has expired."""
        try:
            found = CaptionOrder.model_validate(self._table.get(wanted.key))
        except NotFound:
            return None
        return found if found.ttl >= now.timestamp() else None

    def begin(
        self,
        wanted: CaptionOrder,
        earlier: CaptionOrder | None,
        conditions: Sequence[Change],
        *,
        now: datetime,
        is_new: bool,
    ) -> CaptionOrder:
        """Record that a try asks the model now, with other changes, all or nothing.

        Args:
            wanted: the record of a first try.
            earlier: that of an earlier try, which crashed.
            conditions: the changes that must succeed with it.
            now: the time.
            is_new: it is a first try, whatever an equal request before has left.

        Raises:
            VersionConflict: its `changes` has the indexes of the failed conditions; none if another try came first.
        """
        order = wanted
        change: Change = Put(wanted) if is_new else Create(wanted, now=int(now.timestamp()))
        if earlier is not None:
            order = earlier.copy_with(
                version=earlier.version + 1, tries=earlier.tries + 1, asked_until=now + ASKING_MAX
            )
            change = Replace(order, earlier.version)
        try:
            self._table.commit([change, *conditions])  # guard: captions announced
        except VersionConflict as conflict:
            failed = () if 0 in conflict.changes else tuple(index - 1 for index in conflict.changes)
            raise VersionConflict(str(conflict), changes=failed) from conflict
        return order

    def keep(self, order: CaptionOrder, together: Sequence[Change]) -> None:
        """Keep the words of a try, with other changes, all or nothing.

        Raises:
            VersionConflict: another try took over.
        """
        self._table.commit([Replace(order.copy_with(version=order.version + 1), order.version), *together])
