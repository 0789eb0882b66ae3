"""How many videos each provider renders at once, and in which order the others wait.

A provider has so many slots, one number counts those that are taken and one those who wait. Both change only in the
transaction that writes the video's own record, which says what it holds: so the numbers are true whatever dies, and
nothing is given back twice.

Videos wait in flows: those of one batch are one, and so are the single ones of one owner. Each gets a place number when
it begins to wait: the next of its flow, but none before the turn that the queue has come to (start-time fair queueing,
Goyal, Vin and Cheng, 1996). So flows take turns, whoever came first with however many, and single videos go before
those of batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import Increase, Key, Record, Table

WAITING_INDEX = "Waiting"
# A flow in which nothing began to wait for so long is forgotten: it would begin at the queue's turn in any case.
FLOW_KEPT_FOR = timedelta(days=30)
# More than a place number will ever have, so that places sort as their numbers do.
_NUMBER_DIGITS = 15


class Priority(IntEnum):
    """Who goes before whom."""

    SINGLE = 0
    BATCH = 1


class Queueable(Protocol):
    """A video, as far as it matters who waits before whom."""

    @property
    def id(self) -> str:
        """Give its id."""

    @property
    def owner(self) -> str:
        """Give whose it is."""

    @property
    def batch_id(self) -> str | None:
        """Give the batch that it is of."""

    @property
    def provider(self) -> str:
        """Give who is to render it."""


class Claim(NamedTuple):
    """What a video holds of a provider: one of its slots, or a place among those who wait for one."""

    provider: str
    has_slot: bool


class SlotCount(BaseModel):
    """How many of a provider's slots are taken, and how many videos wait for one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    in_flight: int = 0
    waiting: int = 0


class QueueCursor(Record):
    """How far the queue of a provider has come among the places of one rank."""

    provider: str
    rank: Priority
    number: int

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return _turn_key(self.provider, self.rank)


class CapacityStore:
    """The slots of all providers; `limits` tells how many each has."""

    def __init__(self, table: Table, limits: Callable[[str], int]) -> None:
        self._table = table
        self._limits = limits

    def count(self, provider: str) -> SlotCount:
        """Count a provider's slots; one that nobody has asked for has none taken."""
        try:
            return SlotCount.model_validate(self._table.get(_slots_key(provider)))
        except NotFound:
            return SlotCount()

    def count_free(self, provider: str) -> int:
        """Count the slots that those who wait could have now."""
        count = self.count(provider)
        return min(self._limits(provider) - count.in_flight, count.waiting)

    def bound(self, provider: str, *, may_overtake: bool) -> Mapping[str, int]:
        """Say what the numbers may become when a slot is taken; who may not overtake takes none while others wait."""
        limit = {"in_flight": self._limits(provider)}
        return limit if may_overtake else {**limit, "waiting": 0}

    def choose_place(self, customer: Queueable, *, now: datetime) -> str:
        """Give a video its place among those who wait; one that is not used in the end is left out."""
        batch_id, provider = customer.batch_id, customer.provider
        flow, rank = (customer.owner, Priority.SINGLE) if batch_id is None else (batch_id, Priority.BATCH)
        number = self._table.take_number(
            Key(f"SLOTS#{provider}", f"FLOW#{flow}"),
            at_least=self._find_turn(provider, rank),
            expires_at=int((now + FLOW_KEPT_FOR).timestamp()),
        )
        return f"{rank:d}#{number:0{_NUMBER_DIGITS}}#{customer.id}"

    def list_waiting(self, provider: str) -> list[str]:
        """List the ids of the videos whose turn comes next, at most 100; one that got its slot may be listed yet."""
        entries = self._table.query_index(
            WAITING_INDEX, hash_name="waiting_for", value=provider, range_name="place", before="~"
        )
        return [entry.key.pk.removeprefix("VIDEO#") for entry in entries]

    def _find_turn(self, provider: str, rank: Priority) -> int:
        try:
            return QueueCursor.model_validate(self._table.get(_turn_key(provider, rank))).number
        except NotFound:
            return 0


def read_turn(provider: str, place: str) -> QueueCursor:
    """Read how far the queue comes when the video at a place gets its slot."""
    rank, number, _ = place.split("#", maxsplit=2)
    return QueueCursor(provider=provider, rank=Priority(int(rank)), number=int(number))


def count_change(before: Claim | None, after: Claim | None, at_most: Mapping[str, int]) -> list[Increase]:
    """Say how the numbers change when a video lets go of one thing and takes another.

    Args:
        before: what it held.
        after: what it holds now.
        at_most: what the numbers of the provider may become, of which it takes a slot.
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
