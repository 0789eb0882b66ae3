"""Where a provider's webhook and the machine's wait for the same job meet: one item, whichever comes first.

The machine writes there what wakes it, unless a webhook has come already (statemachine/video.asl.json, the state
Listen); a webhook writes there that it came, and takes what wakes the machine from the same write. Every write raises
the version, so of two at the same moment one is made again and sees the other: no webhook falls between two waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import Contention, NotFound, VersionConflict
from mediaposter.stores.table import Create, Key, Record, Replace, Table

# How often webhooks may cut a job's wait short. A provider sends one or two; and however many came, they must not use
# up the questions that the machine may ask (pipeline.generate.POLLS_MAX).
HINTS_MAX = 4
# A generation and its wait for a place are over by then.
KEPT_FOR = timedelta(days=2)
# A create that is returning just now has written its job down long before.
UNKNOWN_KEPT_FOR = timedelta(minutes=10)
_WRITES_MAX = 8


class JobCallbackFields(TypedDict, total=False):
    """What changes in a wait; its types are those of `JobCallback`."""

    version: int
    hinted_at: AwareDatetime | None
    task_token: str | None
    seen: tuple[str, ...]
    ttl: int


class JobCallback(Record):
    """The wait for a job. `seen` are the digests of the webhooks that were taken.

    `task_token` is what the machine waits with. Who has it can carry the execution on, so it is in no reply, event or
    log, and no error shows it.
    """

    pk: str
    hinted_at: AwareDatetime | None = None
    task_token: str | None = Field(default=None, repr=False)
    seen: tuple[str, ...] = ()
    ttl: int

    def copy_with(self, **fields: Unpack[JobCallbackFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(self.pk, "WAIT")


class Hint(NamedTuple):
    """What became of a webhook: whether it was new, and what wakes the machine, if it waits for it."""

    is_new: bool
    task_token: str | None


class JobCallbackStore:
    """The waits for jobs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def hint(self, pk: str, digest: str, *, now: datetime, kept_for: timedelta = KEPT_FOR) -> Hint:
        """Write down that a webhook came for a job.

        Args:
            pk: `name_job` of the job.
            digest: of the webhook's body; the same one again is no news.
            now: the time.
            kept_for: how long to know of it at the least.

        Raises:
            Contention: others wrote the item all the time; nothing was changed.
        """
        ttl = _count_seconds(now + kept_for)
        for _ in range(_WRITES_MAX):
            wait = self._find(pk)
            if wait is None:
                hinted = JobCallback(pk=pk, hinted_at=now, seen=(digest,), ttl=ttl)
            elif digest in wait.seen or len(wait.seen) >= HINTS_MAX:
                # Whoever took it the first time may have died before he woke the machine.
                return Hint(is_new=False, task_token=wait.task_token if wait.hinted_at else None)
            else:
                hinted = wait.copy_with(
                    hinted_at=now,
                    seen=(*wait.seen, digest),
                    ttl=max(wait.ttl, ttl),
                    version=wait.version + 1,
                )
            if self._write(hinted, wait):
                return Hint(is_new=True, task_token=hinted.task_token)
        raise Contention(f"{pk} WAIT is being written by others; nothing was changed.")

    def apply_hint(self, pk: str, *, now: datetime) -> datetime | None:
        """Tell when the webhook came that nobody has acted on, and begin to wait for another.

        Raises:
            Contention: others wrote the item all the time; nothing was changed.
        """
        for _ in range(_WRITES_MAX):
            wait = self._find(pk)
            if wait is None or (wait.hinted_at is None and wait.task_token is None):
                return None
            taken = wait.copy_with(hinted_at=None, task_token=None, ttl=tell_ttl(now), version=wait.version + 1)
            if self._write(taken, wait):
                return wait.hinted_at
        raise Contention(f"{pk} WAIT is being written by others; nothing was changed.")

    def _find(self, pk: str) -> JobCallback | None:
        try:
            return JobCallback.model_validate(self._table.get(Key(pk, "WAIT")))
        except NotFound:
            return None

    def _write(self, changed: JobCallback, before: JobCallback | None) -> bool:
        change = Create(changed) if before is None else Replace(changed, before.version)
        try:
            self._table.commit([change])
        except VersionConflict:
            return False
        return True


def name_job(provider: str, job: str) -> str:
    """Give the partition of a provider's job: that of its claim (library.videos)."""
    return f"JOB#{provider}#{job}"


def tell_ttl(now: datetime) -> int:
    """Tell until when a wait is known, in seconds since 1970."""
    return _count_seconds(now + KEPT_FOR)


def _count_seconds(moment: datetime) -> int:
    return int(moment.timestamp())
