"""Provider capacity: how many videos a provider renders at once, and the queue of those that wait.

A provider has a number of slots. One counter holds the slots taken, another the videos waiting. Both change only in the
transaction that writes the video's own record, which says what the video holds. So the counters stay right after any
crash, and no slot is released twice.

Videos wait in flows: one for each batch, and one for each owner's single videos. A video that begins to wait gets the
next number of its flow, but none before the queue's current number (start-time fair queueing, Goyal, Vin and Cheng,
1996). So flows alternate, however many videos came first in one, and single videos go before those of batches.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import INDEX_PAGE_MAX, Increase, IndexEntry, Key, Record, Table

WAITING_INDEX = "Waiting"
# A flow without new videos for this long is forgotten: it would start at the queue's current number anyway.
FLOW_KEPT_FOR = timedelta(days=30)
# How many reads of a hundred entries a queue position is worth.
POSITION_READS_MAX = 5
# More digits than a queue number will ever have, so that queue positions sort as their numbers do.
_NUMBER_DIGITS = 15


class Priority(IntEnum):
    """Single videos go before those of batches."""

    SINGLE = 0
    BATCH = 1


class Queueable(Protocol):
    """The fields of a video that decide its queue position."""

    @property
    def id(self) -> str: ...

    @property
    def owner(self) -> str: ...

    @property
    def batch_id(self) -> str | None:
        """Give its batch; None for a single video."""

    @property
    def provider(self) -> str: ...


class Claim(NamedTuple):
    """What a video holds at a provider: one of its slots, or a queue position."""

    provider: str
    has_slot: bool


class SlotCount(BaseModel):
    """The number of a provider's slots in use, and of the videos that wait for one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    in_flight: int = 0
    waiting: int = 0


class QueueCursor(Record):
    """The last queue position that got a slot, for one provider and priority."""

    provider: str
    rank: Priority
    number: int

    @property
    def key(self) -> Key:
        return _turn_key(self.provider, self.rank)


class CapacityStore:
    """The slots of all providers; `limits` gives the number for each."""

    def __init__(self, table: Table, limits: Callable[[str], int]) -> None:
        self._table = table
        self._limits = limits

    def count(self, provider: str) -> SlotCount:
        """Count a provider's slots; for a provider never used all counters are zero."""
        try:
            return SlotCount.model_validate(self._table.get(_slots_key(provider)))
        except NotFound:
            return SlotCount()

    def count_free(self, provider: str) -> int:
        """Count the slots that waiting videos could take now."""
        count = self.count(provider)
        return min(self._limits(provider) - count.in_flight, count.waiting)

    def bound(self, provider: str, *, may_overtake: bool) -> Mapping[str, int]:
        """Give the maximum of each counter for taking a slot; without `may_overtake` it fails while others wait."""
        limit = {"in_flight": self._limits(provider)}
        return limit if may_overtake else {**limit, "waiting": 0}

    def choose_place(self, customer: Queueable, *, now: datetime) -> str:
        """Choose a video's queue position; a position that is never used is skipped."""
        batch_id, provider = customer.batch_id, customer.provider
        flow, rank = (customer.owner, Priority.SINGLE) if batch_id is None else (batch_id, Priority.BATCH)
        number = self._table.take_number(
            Key(f"SLOTS#{provider}", f"FLOW#{flow}"),
            at_least=self._find_run(provider, rank),
            expires_at=int((now + FLOW_KEPT_FOR).timestamp()),
        )
        return f"{rank:d}#{number:0{_NUMBER_DIGITS}}#{customer.id}"

    def list_waiting(self, provider: str) -> list[str]:
        """List the ids of the next videos in the queue, at most 100; one that got its slot may still be listed."""
        entries = self._table.query_index(
            WAITING_INDEX, hash_name="waiting_for", value=provider, range_name="place", before="~"
        )
        return [entry.key.pk.removeprefix("VIDEO#") for entry in entries]

    def find_positions(self, provider: str, places: Collection[str]) -> dict[str, int]:
        """Give the positions of queue places, from 1; those with more than 500 others before them are left out.

        The queue is read up to the last of them, a hundred entries at a time.
        """
        if not places:
            return {}
        entries: list[IndexEntry] = []
        last = reached = max(places)
        for _ in range(POSITION_READS_MAX):
            page = self._table.query_index(
                WAITING_INDEX,
                hash_name="waiting_for",
                value=provider,
                range_name="place",
                before=last,
                after=entries[-1] if entries else None,
            )
            entries += page
            if len(page) < INDEX_PAGE_MAX:
                break
        else:
            reached = entries[-1].value
        before = [entry.value for entry in entries]
        return {place: bisect_left(before, place) + 1 for place in places if place <= reached}

    def _find_run(self, provider: str, rank: Priority) -> int:
        try:
            return QueueCursor.model_validate(self._table.get(_turn_key(provider, rank))).number
        except NotFound:
            return 0


def read_queue_cursor(provider: str, place: str) -> QueueCursor:
    """Build the queue cursor for when the video at a queue position gets its slot."""
    rank, number, _ = place.split("#", maxsplit=2)
    return QueueCursor(provider=provider, rank=Priority(int(rank)), number=int(number))


def count_change(before: Claim | None, after: Claim | None, at_most: Mapping[str, int]) -> list[Increase]:
    """List the counter changes when a video releases one claim and takes another.

    Args:
        before: the claim it held.
        after: the claim it holds now.
        at_most: the maximum of each counter of the provider whose slot it takes.
    """
    if before == after:
        return []
    amounts: dict[str, dict[str, int]] = {}
    for held, amount in ((before, -1), (after, 1)):
        if held is not None:
            numbers = amounts.setdefault(held.provider, {})
            name = "in_flight" if held.has_slot else "waiting"
            numbers[name] = numbers.get(name, 0) + amount
    changes = []
    for provider, numbers in amounts.items():
        takes_slot = after is not None and after.has_slot and after.provider == provider
        bound = at_most if takes_slot else {}
        changes.append(Increase(_slots_key(provider), {**dict.fromkeys(bound, 0), **numbers}, at_most=bound))
    return changes


def _slots_key(provider: str) -> Key:
    return Key(f"SLOTS#{provider}", "SLOTS")


def _turn_key(provider: str, rank: Priority) -> Key:
    return Key(f"SLOTS#{provider}", f"TURN#{rank.name.lower()}")
