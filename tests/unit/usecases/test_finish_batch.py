"""How a batch ends: its results, what the bus is told, what the sweep goes on with, and what is cancelled."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from typing import Any

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotAllowedInState, NotFound, VersionConflict
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.batches import BatchStage, BatchStep
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.batches.finish import EVENT_GRACE, RUNS_MAX
from mediaposter.wire.batches import BatchListQuery, present_batch
from tests.builders import a_caller
from tests.fakes.batches import BASE_URL, BatchWorld
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.video_model import FakeVideoModel

GOOD = {"prompt": "A red kite over the sea"}
POSTED = {**GOOD, "id": "posted", "publish": [{"platform": "twitter", "account_id": "101"}]}
BAD: dict[str, Any] = {"id": "bad"}


@pytest.fixture
def world() -> BatchWorld:
    return BatchWorld()


def find_video(world: BatchWorld, video_id: str = "video_001") -> Video:
    return world.world.video_store.get_unchecked(video_id)


def submit_video(world: BatchWorld) -> Video:
    return world.world.video_store.advance(find_video(world), Stage.SUBMITTING, now=world.world.clock())


class TestResults:
    def test_they_say_of_each_row_what_became_of_it(self, world: BatchWorld) -> None:
        batch = world.complete(POSTED, BAD, GOOD)

        posted, bad, good = world.list_results(batch.id)
        said = (posted["row"], posted["id"], posted["status"], posted["video_id"])
        assert said == (1, "posted", "completed", "video_001")
        assert posted["mp4_url"] == f"{BASE_URL}/videos/video_001/content"
        assert posted["post_urls"]
        assert (bad["id"], bad["status"], bad["video_id"], bad["error"]["param"]) == ("bad", "refused", None, "prompt")
        assert (good["status"], good["error"]) == ("completed", None)

    def test_the_csv_says_the_same_below_one_header(self, world: BatchWorld) -> None:
        batch = world.complete(*[GOOD] * 30, BAD)

        read = list(csv.DictReader(io.StringIO(world.files.text(f"batches/{batch.id}/results.csv"))))

        assert [row["row"] for row in read] == [str(number) for number in range(1, 32)]
        assert [row["line"] for row in read] == [row["row"] for row in read]
        assert [row["status"] for row in read] == ["completed"] * 30 + ["refused"]

    def test_a_kept_video_whose_post_failed_says_so(self, world: BatchWorld) -> None:
        batch_id = world.begin(POSTED)
        (post,) = world.world.post_store.list_unchecked("video_001")
        world.world.post_store.advance(
            post,
            PostState.FAILED,
            now=world.world.clock(),
            error_code=ErrorCode.INVALID_REQUEST,
            error_message="The caption is too long.",
        )
        world.world.run_executions()

        world.finish(batch_id)

        (row,) = world.list_results(batch_id)
        assert (row["status"], row["error"]["param"]) == ("completed", "publish")
        assert "twitter account 101: The caption is too long." in row["error"]["message"]

    def test_a_video_that_was_deleted_meanwhile_is_told_as_gone(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD, GOOD)
        world.world.delete("video_001", caller=a_caller())
        world.world.run_executions()

        ended = world.finish(batch_id)

        gone, _ = world.list_results(batch_id)
        assert (gone["status"], gone["error"]["code"]) == ("failed", "video_deleted")
        assert ended.stage is BatchStage.DONE

    def test_those_of_a_dropped_file_lie_beside_its_answer(self, world: BatchWorld) -> None:
        batch = world.drop(b"prompt\nA kite\n")
        world.take(batch.id)
        world.world.run_executions()
        world.finish(batch.id)

        read = world.files.read
        for end in ("jsonl", "csv"):
            assert read(f"outbox/kites.results.{end}") == read(f"batches/{batch.id}/results.{end}")

    def test_they_are_not_written_before_all_videos_have_ended(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)

        assert world.finish(batch_id).stage is BatchStage.RUNNING
        with pytest.raises(InvalidRequest, match="in_progress"):
            world.read.locate(batch_id, "csv", caller=a_caller())

    def test_they_are_a_short_link_away(self, world: BatchWorld) -> None:
        batch = world.complete(GOOD)

        assert "results.csv" in world.read.locate(batch.id, "csv", caller=a_caller())
        with pytest.raises(NotFound):
            world.read.locate(batch.id, "csv", caller=a_caller(owner="somebody"))


class TestCounts:
    def test_a_batch_that_runs_counts_its_videos_by_state(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD, GOOD, GOOD, BAD)
        submit_video(world)

        shown = present_batch(world.view(batch_id), base_url=BASE_URL)

        assert shown.status == "in_progress"
        told = {name: count for name, count in shown.request_counts.model_dump().items() if count}
        assert told == {"total": 4, "queued": 2, "in_progress": 1, "refused": 1}
        assert (shown.results, shown.cost_usd) == (None, "0")

    def test_an_owner_lists_only_its_own_batches_and_no_videos(self, world: BatchWorld) -> None:
        batches = [world.create(GOOD) for _ in range(3)]
        world.create(GOOD, caller=a_caller(owner="somebody"))
        world.world.run_executions()

        views, has_more = world.read.list_batches(BatchListQuery(limit=2), caller=a_caller())
        rest, _ = world.read.list_batches(BatchListQuery(limit=2, after=views[-1].batch.id), caller=a_caller())

        assert [view.batch.id for view in [*views, *rest]] == [batch.id for batch in reversed(batches)]
        assert has_more


class TestTold:
    def test_the_bus_is_told_how_it_ended(self, world: BatchWorld) -> None:
        batch = world.complete(GOOD, BAD, caller=a_caller(webhook_url="https://hooks.example/1"))

        (event,) = world.said
        assert (event.type, event.batch_id, event.owner) == ("batch.completed", batch.id, a_caller().owner)
        assert (event.rows, event.completed, event.failed, event.refused) == (2, 1, 0, 1)
        assert event.webhook_url == "https://hooks.example/1"
        assert batch.due_at is None

    def test_what_could_not_be_told_the_sweep_tells_under_the_same_id(self) -> None:
        world = BatchWorld(effects=Effects(never_taken="send batch.completed", deaths_max=1))
        batch_id = world.begin(GOOD)
        world.world.run_executions()
        with suppress(SimulatedCrash):
            world.finish(batch_id)
        ended = world.batches.get_unchecked(batch_id)

        world.look_after(batch_id)
        world.look_after(batch_id)

        assert ended.ended_at is not None
        assert ended.due_at == ended.ended_at + EVENT_GRACE
        assert [event.occurred_at for event in world.said] == [ended.ended_at]


class TestSweep:
    @pytest.mark.parametrize("step", [BatchStep.CLOSE, BatchStep.RESULTS])
    def test_what_breaks_off_again_and_again_ends_the_batch(self, world: BatchWorld, step: BatchStep) -> None:
        batch = world.create(GOOD)
        if step is BatchStep.CLOSE:
            world.read_rows(batch.id)
            world.workflow.executions[batch.id, BatchStep.TAKE, 1] = False
        else:
            world.take(batch.id)
            world.world.run_executions()

        for _ in range(20):
            with suppress(VersionConflict):
                world.look_after(batch.id)
            for execution in world.workflow.executions:
                world.workflow.executions[execution] = False

        ended = world.batches.get_unchecked(batch.id)
        assert ended.failure is not None
        assert ended.failure.code == "internal_error"
        runs = [run for _, begun, run in world.workflow.executions if begun is step]
        assert runs == list(range(1, RUNS_MAX + 1))
        assert [event.type for event in world.said] == ["batch.failed"]


class TestCancel:
    def cancel(self, world: BatchWorld, batch_id: str, *, running: bool = False) -> None:
        world.ask_to_cancel(batch_id, running=running)
        world.cancel_parts(batch_id)

    def test_what_waits_is_cancelled_with_its_posts_and_its_money(self, world: BatchWorld) -> None:
        batch_id = world.begin(POSTED)

        self.cancel(world, batch_id)
        ended = world.finish(batch_id)

        video = find_video(world)
        assert video.failure is not None
        assert video.failure.code is ErrorCode.CANCELLED
        assert video.reservation is not None
        assert video.reservation.settled_micros == 0
        assert [post.state for post in world.world.post_store.list_unchecked("video_001")] == [PostState.CANCELLED]
        assert world.world.workflow.stopped == ["video_001"]
        assert [event.type for event in world.world.events] == ["video.failed"]
        assert present_batch(world.view(batch_id), base_url="").status == "cancelled"
        assert [event.type for event in world.said] == ["batch.cancelled"]
        (row,) = world.list_results(batch_id)
        assert (row["status"], row["error"]["code"]) == ("failed", "cancelled")
        assert ended.failed == 1

    def test_what_runs_goes_on_unless_that_is_asked_for(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)
        submit_video(world)

        self.cancel(world, batch_id)

        assert find_video(world).failure is None
        assert present_batch(world.view(batch_id), base_url="").status == "cancelling"

    def test_what_runs_is_stopped_on_request_also_at_the_provider(self) -> None:
        capabilities = Capabilities(cancel=True)
        world = BatchWorld(model=lambda effects: FakeVideoModel(effects, capabilities=capabilities))
        batch_id = world.begin(GOOD)
        now = world.world.clock()
        world.world.video_store.keep_job(submit_video(world), "job-1", now=now, provider_job_id="job-1")

        self.cancel(world, batch_id)
        self.cancel(world, batch_id, running=True)

        assert find_video(world).status is VideoStatus.FAILED
        assert world.world.model.cancelled == ["job-1"]

    def test_what_is_kept_is_left(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD, GOOD)
        world.world.run_executions()

        self.cancel(world, batch_id, running=True)

        assert [find_video(world, f"video_00{number}").status for number in (1, 2)] == ["completed"] * 2
        assert world.world.workflow.stopped == []

    def test_a_deleted_video_holds_up_no_other(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD, GOOD)
        world.world.delete("video_001", caller=a_caller())

        self.cancel(world, batch_id)

        assert find_video(world, "video_002").status is VideoStatus.FAILED

    def test_one_whose_start_was_lost_is_started_by_the_sweep(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)
        world.workflow.refuses = True
        world.ask_to_cancel(batch_id)
        world.workflow.refuses = False

        world.look_after(batch_id)

        assert (batch_id, BatchStep.CANCEL, 1) in world.workflow.executions

    def test_one_that_crashed_begins_anew_and_one_that_ended_does_not(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)
        world.ask_to_cancel(batch_id)

        for ended_as in (ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED):
            world.workflow.ended_as = ended_as
            for execution in world.workflow.executions:
                world.workflow.executions[execution] = False
            world.look_after(batch_id)
            assert [run for _, step, run in world.workflow.executions if step is BatchStep.CANCEL] == [1, 2]

    def test_asking_again_begins_anew(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)

        for running in (True, False):
            world.ask_to_cancel(batch_id, running=running)

        assert [run for _, step, run in world.workflow.executions if step is BatchStep.CANCEL] == [1, 2]
        assert world.batches.get_unchecked(batch_id).cancel == "running"

    def test_what_was_not_cancelled_is_not_ended_by_its_step(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)

        world.cancel_parts(batch_id)

        assert find_video(world).failure is None

    def test_a_batch_that_is_over_is_not_cancelled(self, world: BatchWorld) -> None:
        batch = world.complete(GOOD)

        with pytest.raises(NotAllowedInState, match="completed"):
            world.ask_to_cancel(batch.id)

    def test_a_cancelled_one_stays_so(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)
        self.cancel(world, batch_id)
        world.finish(batch_id)

        world.ask_to_cancel(batch_id)

        assert [event.type for event in world.said] == ["batch.cancelled"]

    def test_another_owners_batch_is_not_found(self, world: BatchWorld) -> None:
        batch_id = world.begin(GOOD)

        with pytest.raises(NotFound):
            world.ask_to_cancel(batch_id, caller=a_caller(owner="somebody"))

        assert world.batches.get_unchecked(batch_id).cancel is None


def test_a_cancellation_ends_each_video_once_whenever_it_dies() -> None:
    def run(effects: Effects) -> tuple[BatchWorld, str, int]:
        world = BatchWorld(effects=effects)
        batch_id = world.begin(POSTED, GOOD)
        world.ask_to_cancel(batch_id)
        begun = len(effects.names)
        return world, batch_id, begun

    undisturbed, batch_id, begun = run(Effects())
    undisturbed.cancel_parts(batch_id)
    for effect in range(begun + 1, len(undisturbed.effects.names) + 1):
        for moment in Moment:
            world, batch_id, _ = run(Effects(Crash(effect, moment)))
            with suppress(SimulatedCrash):
                world.cancel_parts(batch_id)
            world.cancel_parts(batch_id)

            totals = world.batches.count(batch_id)
            assert (totals.videos, totals.settled, totals.spent_micros) == (2, 2, 0), (effect, moment)
            assert {event.video_id for event in world.world.events} == {"video_001", "video_002"}
            assert all(find_video(world, video_id).is_told for video_id in ("video_001", "video_002"))


def test_the_results_are_the_same_whenever_writing_them_dies() -> None:
    def prepare(effects: Effects) -> tuple[BatchWorld, str, int]:
        world = BatchWorld(effects=effects)
        batch_id = world.drop(b"id,prompt\na,A kite\nb,\n").id
        world.take(batch_id)
        world.world.run_executions()
        return world, batch_id, len(effects.names)

    undisturbed, batch_id, begun = prepare(Effects())
    undisturbed.finish(batch_id)
    expected = undisturbed.files.read("outbox/kites.results.csv")
    for effect in range(begun + 1, len(undisturbed.effects.names) + 1):
        for moment in Moment:
            world, batch_id, _ = prepare(Effects(Crash(effect, moment)))
            for _ in range(3):
                with suppress(SimulatedCrash):
                    world.finish(batch_id)

            ended = world.batches.get_unchecked(batch_id)
            assert (ended.stage, ended.completed, ended.refused) == (BatchStage.DONE, 1, 1), (effect, moment)
            assert world.files.read("outbox/kites.results.csv") == expected
            assert len({event.id for event in world.said}) == 1
            assert ended.is_told
