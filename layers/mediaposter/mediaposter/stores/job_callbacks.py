"""Job callbacks: one item joins a provider's webhook and the state machine's wait for the same job, in either order.

The state machine writes its task token there, unless a webhook came before (statemachine/video.asl.json, the state
Listen). A webhook writes there that it came, and gets the task token from the same write. Every write raises the
version: of two concurrent writes one is repeated and sees the other. So no webhook is lost between two waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import Contention, NotFound, VersionConflict
from mediaposter.stores.table import Create, Key, Record, Replace, Table

# How often webhooks may end a job's wait early. A provider sends one or two. Even if many come, they must not use up
# the polls that the state machine may make (usecases.generation.check_generation.POLLS_MAX).
HINTS_MAX = 4
# A generation and its wait for a slot are over by then.
KEPT_FOR = timedelta(days=2)
# A create call that is about to return records its job well within this time.
UNKNOWN_KEPT_FOR = timedelta(minutes=10)
_WRITES_MAX = 8


class JobCallbackFields(TypedDict, total=False):
    """The fields of `JobCallback` that change, with the same types."""

    version: int
    hinted_at: AwareDatetime | None
    task_token: str | None
    seen: tuple[str, ...]
    ttl: int


class JobCallback(Record):
    """The wait for a job. `seen` are the digests of the webhooks that were accepted.

    The state machine waits on `task_token`. Anyone with the token can resume the execution, so no reply, event, log or
    error contains it.
    """

    pk: str
    hinted_at: AwareDatetime | None = None
    task_token: str | None = Field(default=None, repr=False)
    seen: tuple[str, ...] = ()
    ttl: int

    def copy_with(self, **fields: Unpack[JobCallbackFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return Key(self.pk, "WAIT")


class Hint(NamedTuple):
    """The result of a webhook: whether it was new, and the task token if the state machine waits."""

    is_new: bool
    task_token: str | None


class JobCallbackStore:
    """Keeps the waits for jobs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def hint(self, pk: str, digest: str, *, now: datetime, kept_for: timedelta = KEPT_FOR) -> Hint:
        """Record that a webhook came for a job.

        Args:
            pk: `name_job` of the job.
            digest: of the webhook's body; the same digest again is a repeat.
            now: the time.
            kept_for: the minimum time to keep the record.

        Raises:
            Contention: other writers changed the item at each try; nothing was changed.
        """
        ttl = _count_seconds(now + kept_for)
        for _ in range(_WRITES_MAX):
            wait = self._find(pk)
            if wait is None:
                hinted = JobCallback(pk=pk, hinted_at=now, seen=(digest,), ttl=ttl)
            elif digest in wait.seen or len(wait.seen) >= HINTS_MAX:
                # The request that accepted it first may have crashed before it resumed the state machine.
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
        """Give the time of a webhook not acted on yet, and start to wait for the next one.

        Raises:
            Contention: other writers changed the item at each try; nothing was changed.
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
    """Give the partition key of a provider's job: that of its `JobClaim` (stores.videos)."""
    return f"JOB#{provider}#{job}"


def tell_ttl(now: datetime) -> int:
    """Tell when a wait expires, in seconds since 1970."""
    return _count_seconds(now + KEPT_FOR)


def _count_seconds(moment: datetime) -> int:
    return int(moment.timestamp())
