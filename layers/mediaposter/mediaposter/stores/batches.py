"""The record of a batch: a file of requests of which each row becomes a video, and the only transitions it can make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime, BaseModel, ConfigDict

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.domain.viewer import Viewer
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.keys import Scope
from mediaposter.stores.table import Change, Create, Increase, Key, PageQuery, Record, Replace, Table

BATCH_ID_MAX_CHARACTERS = 64
# The index of an owner's batches is that of a batch's videos, in groups of its own.
BATCHES_INDEX = "ByOwnerBatch"
# Several steps write the record, but none of them often.
_TRIES_MAX = 5


class BatchStage(StrEnum):
    """How far a batch has come."""

    READING = "reading"  # its file is read, row by row
    TAKING = "taking"  # its rows become videos
    RUNNING = "running"  # its videos are made
    WRITING = "writing"  # all of them ended, and the results are written
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
    """What an execution is to do for a batch."""

    TAKE = "take"  # read the file and take its rows
    CLOSE = "close"  # say what became of the rows, after an execution that broke off
    RESULTS = "results"  # write what became of the videos
    CANCEL = "cancel"  # end the videos that are not to be made


class CancelScope(StrEnum):
    """What a cancelled batch stops."""

    WAITING = "waiting"  # rows that are not taken, and videos that nobody renders yet
    RUNNING = "running"  # those that are rendered, too


class BatchFailure(CheckedModel):
    """Why nothing came of a batch; `param` is the column of its file, where it is one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    message: str
    param: str | None = None


class BatchCaller(CheckedModel):
    """On whose behalf the rows are taken, and what the key could do that asked for them.

    What it may do by then is looked up under its `key_hash` when a row is taken. A file in the inbox comes without a
    key; and batches that are older than the hash keep the rights that are here.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    key: str = ""
    key_hash: str = ""
    scopes: frozenset[Scope]
    accounts: frozenset[str] | None = None
    daily_budget_micros: int | None = None
    rate_per_minute: int | None = None
    webhook_url: str | None = None


class BatchSource(CheckedModel):
    """The version of the file that the rows are read from.

    `answer_stem` is where answers are laid, where the file was dropped into the inbox: a key without its end.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    version_id: str
    format: Literal["csv", "jsonl"]
    answer_stem: str | None = None


class BatchChanges(TypedDict, total=False):
    """What a step may change in the record of a batch; its types are those of `Batch`."""

    step: BatchStep
    run: int
    cancel: CancelScope | None
    cancel_run: int
    rows: int
    refused: int
    completed: int
    failed: int
    failure: BatchFailure | None
    ended_at: AwareDatetime | None
    due_at: AwareDatetime | None
    is_told: bool


class BatchFields(BatchChanges, total=False):
    """All that changes: besides, what transitions write."""

    version: int
    updated_at: AwareDatetime
    stage: BatchStage


class Batch(Record):
    """One batch, from its file to the results.

    `step` and `run` name the execution that carries it on; `cancel_run` counts those that end its videos. `rows` counts
    the rows of the file, `refused` those that became no video, `completed` and `failed` the videos, once all have
    ended. `due_at` is when the sweep comes by. `is_told` says that the bus was told how it ended.
    """

    # Not `owner` beside it: the index of an owner's videos holds whatever has both.
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
    failure: BatchFailure | None = None
    ended_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    is_told: bool = False

    def copy_with(self, **fields: Unpack[BatchFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return batch_key(self.id)

    @property
    def has_results(self) -> bool:
        """Tell whether its results are written."""
        return self.stage is BatchStage.DONE and self.failure is None

    def index_attributes(self) -> Mapping[str, str]:
        """List it for its owner, and for the sweep while somebody has to come back to it."""
        return {**give_due_attributes(self.due_at), "owner_batch": _join_batches(self.caller.owner)}


class BatchTotals(BaseModel):
    """What is counted with the videos of a batch: how many were recorded, how many ended, and what those cost."""

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
    """The batches that are kept."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, batch: Batch, *, conditions: Sequence[Change] = ()) -> None:
        """Keep a new batch, if other changes can be made with it.

        Raises:
            VersionConflict: they cannot; nothing was kept.
        """
        self._table.commit([Create(batch), *conditions])

    def get(self, batch_id: str, *, caller: Viewer) -> Batch:
        """Read a batch for a caller.

        Raises:
            NotFound: there is none, or it is somebody else's; the two look alike from outside.
        """
        batch = self.get_unchecked(batch_id)
        if not caller.may_see(batch.caller.owner):
            raise NotFound(f"There is no batch {batch_id}.", what="batch")
        return batch

    def get_unchecked(self, batch_id: str) -> Batch:
        """Read a batch whoever owns it: for the state machine's own steps and the sweep.

        Raises:
            NotFound: there is none.
        """
        if len(batch_id) > BATCH_ID_MAX_CHARACTERS:
            raise NotFound("There is no batch of such an id.", what="batch")
        try:
            return Batch.model_validate(self._table.get(batch_key(batch_id)))
        except NotFound as error:
            raise NotFound(f"There is no batch {batch_id}.", what="batch") from error

    def count(self, batch_id: str) -> BatchTotals:
        """Read what is counted of a batch; one without videos has nothing."""
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
        """Move a batch to its next stage, whatever else was noted of it meanwhile.

        Raises:
            VersionConflict: it is no longer where this leads on from.
            InvalidChange: a change is none of `BatchChanges`.
        """
        for _ in range(_TRIES_MAX):
            batch = self.get_unchecked(batch_id)
            earlier = EARLIER_STAGES[stage]
            if batch.stage not in earlier:
                raise VersionConflict(f"The batch {batch_id} is at {batch.stage} and cannot come to {stage}.")
            try:
                return self._replace(batch, earlier, now, changes, {"stage": stage})
            except VersionConflict:
                continue  # something was noted of it
        raise VersionConflict(f"The batch {batch_id} is being written all the time.")

    def note(self, batch: Batch, *, now: datetime, **changes: Unpack[BatchChanges]) -> Batch:
        """Change what is known of a batch within its stage.

        Raises:
            VersionConflict: the record changed since it was read.
            InvalidChange: a change is none of `BatchChanges`.
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
    # A group of a batch's videos begins with its owner, so no question for one of them reaches into this.
    return f"#{owner}"
