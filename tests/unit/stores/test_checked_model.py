"""A field of a record is changed by its name, to a value of its type, or nothing is written.

mypy sees the same mistakes: an `ignore` that nothing needs any more is an error of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from datetime import timedelta
from typing import Any, NamedTuple, get_type_hints

import pytest

from mediaposter.domain.errors import ErrorCode, InvalidChange
from mediaposter.domain.problem import Problem
from mediaposter.stores.approvals import Approval, ApprovalFields, ApprovalStore, open_approval
from mediaposter.stores.batches import Batch, BatchCaller, BatchFields, BatchSource, BatchStage, BatchStore
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.job_callbacks import JobCallback, JobCallbackFields
from mediaposter.stores.keys import ApiKey, ApiKeyFields, Scope
from mediaposter.stores.posts import Post, PostFields, PostState, PostStore
from mediaposter.stores.series import (
    ScheduleRun,
    ScheduleRunFields,
    Series,
    SeriesFields,
    SeriesStore,
    Sheet,
    SheetChanges,
    SheetFormat,
)
from mediaposter.stores.table import Record
from mediaposter.stores.video_record import (
    Attempt,
    AttemptChanges,
    Candidate,
    CandidateChanges,
    Derivation,
    DerivationKind,
    Reservation,
    ReservationChanges,
    Video,
    VideoFailure,
    VideoFields,
)
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, RESERVATION, VIDEO_ID, a_post, a_stored_video, a_target, a_video, an_attempt
from tests.fakes.table import InMemoryTable

SERIES = Series(
    name="kites",
    owner="studio",
    timing="daily",
    expression="cron(0 9 * * ? *)",
    timezone="UTC",
    sheet=Sheet(key="series/kites/1.csv", format=SheetFormat.CSV),
    waiting=(1, 2),
    created_at=NOW,
)
TURN = ScheduleRun(series="kites", scheduled_at=NOW, sheet=SERIES.sheet, row=1, request_id="evt_1", taken_at=NOW)
APPROVAL = open_approval(VIDEO_ID, now=NOW, hours=24).record
BATCH = Batch(
    id="batch_1",
    caller=BatchCaller(owner="studio", scopes=frozenset({Scope.CREATE})),
    source=BatchSource(key="batches/batch_1/input.jsonl", version_id="v1", format="jsonl"),
    created_at=NOW,
    updated_at=NOW,
)
FAILURE = VideoFailure(code=ErrorCode.TIMEOUT, message="too late")


class Stores(NamedTuple):
    """A store of each kind over one table."""

    table: InMemoryTable
    videos: VideoStore
    posts: PostStore
    batches: BatchStore
    series: SeriesStore
    approvals: ApprovalStore


@pytest.fixture
def stores() -> Stores:
    table = InMemoryTable()
    table.create([a_video(), a_post(), BATCH, SERIES, TURN, APPROVAL])
    return Stores(
        table,
        VideoStore(table),
        PostStore(table),
        BatchStore(table),
        SeriesStore(table),
        ApprovalStore(table),
    )


def the_approval(stores: Stores) -> Approval:
    return stores.approvals.get(VIDEO_ID)


MISSPELT: dict[str, Callable[[Stores], object]] = {
    "Video VIDEO#video_1 VIDEO has no field progres": lambda stores: stores.videos.note(
        a_video(),
        now=NOW,
        progres=50,  # type: ignore[call-arg]
    ),
    "Video VIDEO#video_1 VIDEO has no field cost_micro": lambda stores: stores.videos.fail(
        a_video(),
        FAILURE,
        now=NOW,
        cost_micro=5,  # type: ignore[call-arg]
    ),
    "Video VIDEO#video_1 VIDEO has no field attempt": lambda stores: stores.videos.advance(
        a_video(),
        Stage.SUBMITTING,
        now=NOW,
        attempt=(),  # type: ignore[call-arg]
    ),
    "Post VIDEO#video_1 POST#twitter#101 has no field media": lambda stores: stores.posts.note(
        a_post(),
        media="https://media.example/1",  # type: ignore[call-arg]
    ),
    "Post VIDEO#video_1 POST#twitter#101 has no field lease": lambda stores: stores.posts.advance(
        a_post(),
        PostState.CALLING,
        now=NOW,
        lease=NOW,  # type: ignore[call-arg]
    ),
    "Batch BATCH#batch_1 BATCH has no field row": lambda stores: stores.batches.note(
        BATCH,
        now=NOW,
        row=3,  # type: ignore[call-arg]
    ),
    "Batch BATCH#batch_1 BATCH has no field fail": lambda stores: stores.batches.advance(
        "batch_1",
        BatchStage.TAKING,
        now=NOW,
        fail=3,  # type: ignore[call-arg]
    ),
    "Series SERIES NAME#kites has no field paused": lambda stores: stores.series.change(
        SERIES,
        paused=True,  # type: ignore[call-arg]
    ),
    "ScheduleRun SERIES#kites TURN#2026-12-01T12:00:00Z has no field video": lambda stores: stores.series.note(
        TURN,
        video=VIDEO_ID,  # type: ignore[call-arg]
    ),
    "Approval VIDEO#video_1 APPROVAL has no field token": lambda stores: stores.approvals.note(
        the_approval(stores),
        token="token-1",  # type: ignore[call-arg]
    ),
}
VIDEO_KEY, POST_KEY = "Video VIDEO#video_1 VIDEO", "Post VIDEO#video_1 POST#twitter#101"


def untyped(store: Any) -> Any:
    """Give a store as a program without types has it."""
    return store


# What only a transition, or a settlement, may write.
NOT_A_STEPS: dict[str, Callable[[Stores], object]] = {
    f"{VIDEO_KEY} has no field stage": lambda s: untyped(s.videos).note(a_video(), now=NOW, stage=Stage.DONE),
    f"{VIDEO_KEY} has no field reservation": lambda s: untyped(s.videos).note(a_video(), now=NOW, reservation=None),
    f"{POST_KEY} has no field state": lambda s: untyped(s.posts).note(a_post(), state=PostState.PUBLISHED),
    "Batch BATCH#batch_1 BATCH has no field stage": lambda s: untyped(s.batches).note(
        BATCH, now=NOW, stage=BatchStage.DONE
    ),
    "Series SERIES NAME#kites has no field version": lambda s: untyped(s.series).change(SERIES, version=9),
    "ScheduleRun SERIES#kites TURN#2026-12-01T12:00:00Z has no field row": lambda s: untyped(s.series).note(
        TURN, row=5
    ),
    "Approval VIDEO#video_1 APPROVAL has no field decision": lambda s: untyped(s.approvals).note(
        the_approval(s), decision="approved"
    ),
}
NOT = "does not take this change."
MISTYPED: dict[str, Callable[[Stores], object]] = {
    f"{VIDEO_KEY} {NOT} progress: ": lambda s: untyped(s.videos).note(a_video(), now=NOW, progress="half"),
    f"{VIDEO_KEY} {NOT} cost_micros: ": lambda s: untyped(s.videos).fail(
        a_video(), FAILURE, now=NOW, cost_micros="400000"
    ),
    f"{POST_KEY} {NOT} due_at: ": lambda s: s.posts.note(a_post(), due_at=NOW.replace(tzinfo=None)),
    f"Batch BATCH#batch_1 BATCH {NOT} rows: ": lambda s: untyped(s.batches).note(BATCH, now=NOW, rows=1.5),
    f"Series SERIES NAME#kites {NOT} waiting: ": lambda s: untyped(s.series).change(SERIES, waiting=[1]),
}


@pytest.mark.parametrize("reason", [*MISSPELT, *NOT_A_STEPS, *MISTYPED])
def test_a_change_that_the_record_does_not_take_names_it_and_writes_nothing(stores: Stores, reason: str) -> None:
    before = dict(stores.table.items)

    with pytest.raises(InvalidChange, match=rf"^{re.escape(reason)}.*Nothing was written\.$"):
        (MISSPELT | NOT_A_STEPS | MISTYPED)[reason](stores)

    assert stores.table.items == before


PARTS: dict[str, Callable[[], object]] = {
    "Attempt has no field cost": lambda: an_attempt().copy_with(cost=5),  # type: ignore[call-arg]
    "Attempt does not take this change. cost_micros: ": lambda: an_attempt().copy_with(
        cost_micros="much"  # type: ignore[arg-type]
    ),
    "Reservation does not take this change. micros: ": lambda: RESERVATION.copy_with(
        micros=0.5  # type: ignore[arg-type]
    ),
    # The way around mypy meets the same check.
    "Video VIDEO#video_1 VIDEO has no field owners": lambda: a_video().model_copy(update={"owners": "anna"}),
}


@pytest.mark.parametrize("reason", PARTS)
def test_what_is_written_with_a_record_is_checked_when_it_is_copied(reason: str) -> None:
    with pytest.raises(InvalidChange, match=rf"^{re.escape(reason)}"):
        PARTS[reason]()


def test_an_error_shows_no_value() -> None:
    with pytest.raises(InvalidChange) as caught:
        a_post().model_copy(update={"text": 5, "error_message": b"a secret caption"})

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


class Kind(NamedTuple):
    """What may change in a model, and what never does once it is made."""

    model: type[CheckedModel]
    fields: type
    never: Set[str]


def words(text: str) -> Set[str]:
    return frozenset(text.split())


KINDS = [
    Kind(
        Video,
        VideoFields,
        words("id owner created_at prompt model metadata provider_options resubmit derivation batch_id webhook_url"),
    ),
    Kind(Post, PostFields, words("video_id owner target delay_minutes delivery created_at")),
    Kind(Batch, BatchFields, words("id caller source created_at")),
    Kind(Series, SeriesFields, words("name owner timing expression timezone created_at")),
    Kind(ScheduleRun, ScheduleRunFields, words("series scheduled_at sheet row row_id request_id taken_at")),
    Kind(Approval, ApprovalFields, words("video_id asked_at expires_at round")),
    Kind(JobCallback, JobCallbackFields, words("pk")),
    Kind(ApiKey, ApiKeyFields, ApiKey.model_fields.keys() - {"version", "revoked_at"}),
    Kind(Attempt, AttemptChanges, words("provider model started_at estimate_micros")),
    Kind(Reservation, ReservationChanges, words("on of_stack limit_micros stack_limit_micros")),
    Kind(Candidate, CandidateChanges, Candidate.model_fields.keys() - {"warnings"}),
    Kind(Sheet, SheetChanges, words("key format templates")),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model.__name__)
def test_what_may_change_has_the_names_and_the_types_of_the_model(kind: Kind) -> None:
    typed = get_type_hints(kind.fields, include_extras=True)
    of_model = get_type_hints(kind.model, include_extras=True)

    assert typed == {name: of_model[name] for name in typed}
    assert typed.keys() | kind.never == kind.model.model_fields.keys()
    assert not typed.keys() & kind.never


FULL: list[Record] = [
    a_video(
        stage=Stage.STORING,
        failure=FAILURE,
        provider_options={"seed": 3, "guidance": 7.5, "styles": ["ink", None]},
        metadata={"campaign": "kites"},
        fallbacks=(
            Candidate(
                model="kite-1",
                provider="kites",
                seconds=5,
                size="768x1280",
                cost_estimate_micros=1_000_000,
                expected_render_seconds=50,
                warnings=("seconds: 5 in place of 4",),
            ),
        ),
        derivation=Derivation(
            kind=DerivationKind.EXTEND, video_id="video_0", provider_job_id="job-0", extend_seconds=4
        ),
        attempts=(an_attempt(failure=FAILURE), an_attempt(provider_job_id="job-1", cost_micros=400_000)),
        reservation=Reservation(on=NOW.date(), micros=400_000, of_stack=True, settled_micros=400_000),
        stored=a_stored_video(),
        deadline_at=NOW + timedelta(hours=1),
        due_at=NOW,
    ),
    a_post(
        a_target("youtube", scheduled_time=NOW + timedelta(days=1)),
        state=PostState.FAILED,
        error_code=ErrorCode.PROVIDER_ERROR,
        place_for="post",
    ),
    BATCH,
    SERIES,
    TURN.copy_with(error=Problem(code="invalid_request", message="no prompt", param="prompt"), refused_at=NOW),
    APPROVAL,
    JobCallback(pk="JOB#sora#job-1", seen=("a",), ttl=1_800_000_000),
    ApiKey(key_hash="a", owner="studio", name="a key", scopes=(Scope.PUBLISH,), accounts=("x:1",), created_at=NOW),
]


@pytest.mark.parametrize("record", FULL, ids=lambda record: type(record).__name__)
def test_a_record_is_read_as_it_was_kept_and_copied_as_it_is(record: Record) -> None:
    table = InMemoryTable()
    table.create([record])
    read = type(record).model_validate(table.get(record.key))

    assert read == record
    assert read.model_copy(update={"version": 2}).model_dump() == {**read.model_dump(), "version": 2}
