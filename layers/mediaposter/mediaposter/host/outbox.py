"""What is to be done after a write, kept in the same transaction: announce a video, start waiting ones, send a webhook.

On AWS the table's stream, the bus and the webhook queue do this. A message is removed once it was handled, so a crash
repeats it: every handler allows that.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from mediaposter.host.database import Database

# A handler that fails is called again after so many seconds, twice as many each time, and given up after so many tries.
_AGAIN_AFTER_SECONDS = 2.0
_AGAIN_AFTER_SECONDS_MAX = 300.0
_TRIES_MAX = 50
_TAKEN_AT_ONCE = 20


class Kind(StrEnum):
    """The kinds of messages."""

    ANNOUNCE = "announce"  # the id of a video that was recorded
    DISPATCH = "dispatch"  # a provider with free slots, or waiting videos
    WATCH_BATCH = "watch_batch"  # the id of a batch all of whose videos may have ended
    WEBHOOK = "webhook"  # an event, as JSON
    INTAKE = "intake"  # a request by a file, an event or a schedule, as JSON
    CANCEL_RENDER = "cancel_render"  # a provider's job that no video needs any more, as JSON


class Message(NamedTuple):
    """A message, and how often it was taken, this time included."""

    number: int
    kind: Kind
    body: str
    tries: int

    @property
    def receipt(self) -> str:
        """Name the message as it was taken: what is done by it has no effect once the message was added again."""
        return f"{self.number}-{self.tries}"


class Outbox:
    """The messages in the file of a host. Methods may be called from any thread.

    Args:
        database: the file.
        wake: is given the kind of each message that is added; at once, so perhaps before the transaction is committed.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        *,
        wake: Callable[[Kind], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the table if the file lacks it."""
        self._database = database
        self._clock = clock
        self.wake = wake
        with database.write() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, "
                "body TEXT NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, body))"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS outbox_by_due ON outbox (due_at)")

    def record_change(self, connection: sqlite3.Connection, kept: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        """Record what follows from a write to the table, in its transaction; what template.yaml filters streams by."""
        name = str(item["pk"]).partition("#")[2]
        if item["sk"] == "VIDEO" and not kept:
            self._insert(connection, Kind.ANNOUNCE, name)
        elif item["sk"] == "SLOTS" and item.get("waiting", 0) != 0:
            self._insert(connection, Kind.DISPATCH, name)
        elif item["sk"] == "TOTALS" and item.get("settled", 0) >= item.get("videos", 0):
            self._insert(connection, Kind.WATCH_BATCH, name)
        elif item["sk"] == "BATCH" and item["stage"] == "running" != kept.get("stage"):
            # All of its videos may have ended before its last row was read.
            self._insert(connection, Kind.WATCH_BATCH, name)

    def add(self, kind: Kind, body: str) -> None:
        """Add a message, unless the same one waits already; it is on disk when this returns."""
        with self._database.write() as connection:
            self._insert(connection, kind, body)

    def take(self, kinds: Collection[Kind] = tuple(Kind)) -> list[Message]:
        """Take messages of some kinds that are due, the oldest first; each is due again later, unless it is removed.

        One thread at a time takes those of a kind, and handles them before it takes more: so none is handled twice at
        once, however long that takes.
        """
        now = self._clock()
        # A write transaction, so that everything committed before it is seen.
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT number, kind, body, tries FROM outbox "
                "WHERE due_at <= ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY due_at, number LIMIT ?",
                (now, json.dumps(list(kinds)), _TAKEN_AT_ONCE),
            ).fetchall()
            messages = [Message(number, Kind(kind), body, tries + 1) for number, kind, body, tries in rows]
            for message in messages:
                wait = min(_AGAIN_AFTER_SECONDS * 2 ** (message.tries - 1), _AGAIN_AFTER_SECONDS_MAX)
                connection.execute(
                    "UPDATE outbox SET tries = ?, due_at = ? WHERE number = ?",
                    (message.tries, now + wait, message.number),
                )
        return messages

    def put_off(self, receipt: str, seconds: float) -> None:
        """Let a message be taken again after so many seconds, unless it was added again meanwhile."""
        number, tries = map(int, receipt.split("-"))
        with self._database.write() as connection:
            connection.execute(
                "UPDATE outbox SET due_at = ? WHERE number = ? AND tries = ?", (self._clock() + seconds, number, tries)
            )

    def remove(self, message: Message) -> None:
        """Remove a message that was handled, unless it was added again meanwhile."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM outbox WHERE number = ? AND tries = ?", (message.number, message.tries))

    def is_hopeless(self, message: Message) -> bool:
        """Tell whether a message was tried so often that it is given up."""
        return message.tries >= _TRIES_MAX

    def next_in(self, kinds: Collection[Kind] = tuple(Kind)) -> float | None:
        """Tell in how many seconds the next message of some kinds is due; None if there is none."""
        with self._database.read() as connection:
            [due_at] = connection.execute(
                "SELECT min(due_at) FROM outbox WHERE kind IN (SELECT value FROM json_each(?))",
                (json.dumps(list(kinds)),),
            ).fetchone()
        return None if due_at is None else max(due_at - self._clock(), 0.0)

    def _insert(self, connection: sqlite3.Connection, kind: Kind, body: str) -> None:
        # The same message that is being handled just now is due at once again: its handler may have read too early.
        connection.execute(
            "INSERT INTO outbox (kind, body, due_at) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, body) DO UPDATE SET due_at = excluded.due_at, tries = 0",
            (kind, body, self._clock()),
        )
        self.wake(kind)
