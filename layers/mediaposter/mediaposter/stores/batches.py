"""The record of a batch (a file of requests, one video a row) and its only transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.domain.problem import Problem
from mediaposter.domain.viewer import Viewer
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.keys import Scope
from mediaposter.stores.table import Change, Create, Increase, Key, PageQuery, Record, Replace, Table

BATCH_ID_MAX_CHARACTERS = 64
# An owner's batches and a batch's videos share one index, in separate groups.
BATCHES_INDEX = "ByOwnerBatch"
# Several steps write the record, but none of them often.
_TRIES_MAX = 5


class BatchStage(StrEnum):
    """How far a batch has come."""

    READING = "reading"  # the function reads its file, row by row
    TAKING = "taking"  # its rows become videos
    RUNNING = "running"  # its videos are made
    WRITING = "writing"  # all videos ended; the results are being written
    DONE = "done"


EARLIER_STAGES: Mapping[BatchStage, tuple[BatchStage, ...]] = {
    BatchStage.TAKING: (BatchStage.READING,),
    BatchStage.RUNNING: (BatchStage.TAKING,),
    BatchStage.WRITING: (BatchStage.RUNNING,),
    BatchStage.DONE: (BatchStage.READING, BatchStage.TAKING, BatchStage.WRITING),
}
STAGES_BEFORE_VIDEOS = (BatchStage.READING, BatchStage.TAKING)
STAGES_TO_CANCEL = (*STAGES_BEFORE_VIDEOS, BatchStage.RUNNING)


class BatchStep(StrEnum):
    """The work that one execution does for a batch."""

    TAKE = "take"  # read the file and submit its rows
    CLOSE = "close"  # record the outcome of each row after an execution crashed
    RESULTS = "results"  # write the outcome of each video
    CANCEL = "cancel"  # cancel the videos that shall not be made


class CancelScope(StrEnum):
    """What a cancelled batch stops."""

    WAITING = "waiting"  # rows not submitted, and videos whose render has not started
    RUNNING = "running"  # also videos that are being rendered


class BatchCaller(CheckedModel):
    """The caller that the rows belong to, and the rights of its key at the time of the request.

    When a row is submitted, the key's current rights are read by its `key_hash`. A file in the inbox comes without a
    key. Batches older than the hash keep the rights recorded here.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    key: str = ""
    key_hash: str = ""
    scopes: frozenset[Scope]
    accounts: frozenset[str] | None = None
    daily_budget_micros: int | None = None
    monthly_budget_micros: int | None = None
    rate_per_minute: int | None = None
    webhook_url: str | None = None
    key_name: str = ""


class BatchSource(CheckedModel):
    """The version of the file that the rows are read from.

    For a file from the inbox, `answer_stem` is the key of the results without its suffix. `templates` are texts that
    the columns of each row fill, by the field that they make: `prompt`, `text`, `title`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    version_id: str
    format: Literal["csv", "jsonl"]
    answer_stem: str | None = None
    templates: dict[str, str] = Field(default_factory=dict)


class BatchChanges(TypedDict, total=False):
    """The fields of `Batch` that a step may change, with the same types."""

    step: BatchStep
    run: int
    cancel: CancelScope | None
    cancel_run: int
    rows: int
    refused: int
    completed: int
    failed: int
    failure: Problem | None
    ended_at: AwareDatetime | None
    due_at: AwareDatetime | None
    is_told: bool


class BatchFields(BatchChanges, total=False):
    """All fields that change: also those that transitions write."""

    version: int
    updated_at: AwareDatetime
    stage: BatchStage


class Batch(Record):
    """One batch, from its file to its results.

    `step` and `run` name its current execution; `cancel_run` counts the executions that cancel its videos. `rows`
    counts the rows of the file, `refused` those that became no video. `completed` and `failed` count the videos, once
    all have ended. The `param` of a `failure` is a column of the file. `due_at` is when the sweep visits the batch.
    `is_told` says that the event of its end was sent.
    """

    # Not `owner` beside it: the index of an owner's videos holds every item that has both.
    id: str
    caller: BatchCaller
    source: BatchSource
    created_at: AwareDatetime
    updated_at: AwareDatetime
    stage: BatchStage = BatchStage.READING
    step: BatchStep = BatchStep.TAKE
    run: int = 1
    cancel: CancelScope | None = None
    cancel_run: int = 0
    rows: int = 0
    refused: int = 0
    completed: int = 0
    failed: int = 0
    failure: Problem | None = None
    ended_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    is_told: bool = False

    def copy_with(self, **fields: Unpack[BatchFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return batch_key(self.id)

    @property
    def has_results(self) -> bool:
        return self.stage is BatchStage.DONE and self.failure is None

    def index_attributes(self) -> Mapping[str, str]:
        """List it for its owner, and for the sweep until it is over."""
        return {**give_due_attributes(self.due_at), "owner_batch": _join_batches(self.caller.owner)}


class BatchTotals(BaseModel):
    """Counters of a batch's videos: how many were recorded, how many ended, and what those cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    videos: int = 0
    settled: int = 0
    spent_micros: int = 0


class BatchPage(NamedTuple):
    """A page of batches."""

    batches: list[Batch]
    has_more: bool


def batch_key(batch_id: str) -> Key:
    """Give the primary key of a batch."""
    return Key(f"BATCH#{batch_id}", "BATCH")


def count_recorded(batch_id: str) -> Increase:
    """Count a video of a batch, in the transaction that records it."""
    return Increase(_totals_key(batch_id), {"videos": 1})


def count_settled(batch_id: str, *, spent_micros: int) -> Increase:
    """Count a video of a batch that has ended, in the transaction that settles it."""
    return Increase(_totals_key(batch_id), {"settled": 1, "spent_micros": spent_micros})


class BatchStore:
    """Reads and writes the records of batches."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, batch: Batch, *, conditions: Sequence[Change] = ()) -> None:
        """Keep a new batch together with other changes, all or nothing.

        Raises:
            VersionConflict: a condition does not hold; nothing was kept.
        """
        self._table.commit([Create(batch), *conditions])

    def get(self, batch_id: str, *, caller: Viewer) -> Batch:
        """Read a batch for a caller.

        Raises:
            NotFound: there is none, or another owner's; a caller cannot tell the two apart.
        """
        batch = self.get_unchecked(batch_id)
        if not caller.may_see(batch.caller.owner):  # guard: owner of batch
            raise NotFound(f"There is no batch {batch_id}.", what="batch")
        return batch

    def get_unchecked(self, batch_id: str) -> Batch:
        """Read a batch without checking its owner: for the state machine's steps and the sweep.

        Raises:
            NotFound: there is none.
        """
        if len(batch_id) > BATCH_ID_MAX_CHARACTERS:
            raise NotFound("There is no batch with this id.", what="batch")
        try:
            return Batch.model_validate(self._table.get(batch_key(batch_id)))
        except NotFound as error:
            raise NotFound(f"There is no batch {batch_id}.", what="batch") from error

    def count(self, batch_id: str) -> BatchTotals:
        """Read the counters of a batch; without videos all are zero."""
        try:
            return BatchTotals.model_validate(self._table.get(_totals_key(batch_id)))
        except NotFound:
            return BatchTotals()

    def list_page(self, owner: str, *, limit: int, after: str | None = None) -> BatchPage:
        """List an owner's batches, the newest first."""
        wanted = PageQuery(
            hash_name="owner_batch", value=_join_batches(owner), range_name="id", limit=limit, after=after
        )
        page = self._table.query_page(BATCHES_INDEX, wanted)
        batches = [Batch.model_validate(item) for item in self._table.get_many(page.keys)]
        return BatchPage(batches, page.has_more)

    def advance(self, batch_id: str, stage: BatchStage, *, now: datetime, **changes: Unpack[BatchChanges]) -> Batch:
        """Move a batch to its next stage, even if another step changed other fields meanwhile.

        Raises:
            VersionConflict: its stage no longer allows this transition.
            InvalidChange: a changed field is not in `BatchChanges`.
        """
        for _ in range(_TRIES_MAX):
            batch = self.get_unchecked(batch_id)
            earlier = EARLIER_STAGES[stage]
            if batch.stage not in earlier:
                raise VersionConflict(f"The batch {batch_id} is at {batch.stage} and cannot come to {stage}.")
            try:
                return self._replace(batch, earlier, now, changes, {"stage": stage})
            except VersionConflict:
                continue  # another step changed other fields
        raise VersionConflict(f"Other workers keep writing the batch {batch_id}.")

    def note(self, batch: Batch, *, now: datetime, **changes: Unpack[BatchChanges]) -> Batch:
        """Change fields of a batch within its stage.

        Raises:
            VersionConflict: the record changed since it was read.
            InvalidChange: a changed field is not in `BatchChanges`.
        """
        return self._replace(batch, (batch.stage,), now, changes, {})

    def _replace(
        self, batch: Batch, earlier: tuple[BatchStage, ...], now: datetime, changes: BatchChanges, own: BatchFields
    ) -> Batch:
        batch.refuse_changes_but(BatchChanges.__optional_keys__, changes)
        written: BatchFields = {**changes, **own, "version": batch.version + 1, "updated_at": now}
        changed = batch.copy_with(**written)
        self._table.commit([Replace(changed, batch.version, {"stage": earlier})])
        return changed


def _totals_key(batch_id: str) -> Key:
    return Key(f"BATCH#{batch_id}", "TOTALS")


def _join_batches(owner: str) -> str:
    # The group of a batch's videos begins with the owner, so a query for one never reads into this group.
    return f"#{owner}"
