"""Turns of a series: each takes one row, and each row is one video, whatever is told twice, late or in reverse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ConfigurationError, Contention, NotStarted
from mediaposter.domain.problem import Problem
from mediaposter.events import SeriesExhausted, VideoRejected
from mediaposter.stores.series import ScheduleRun, Series, SeriesState, SeriesStore, Sheet, SheetFormat
from mediaposter.stores.video_record import Video
from mediaposter.usecases.requests.intake import IntakeOutcome, IntakeResult
from mediaposter.usecases.scheduled.series import RunSchedule, find_next_row, list_waiting
from mediaposter.wire.intake import ScheduleDue, write_schedule_event
from mediaposter.wire.sheets import read_sheet
from tests.builders import NOW
from tests.fakes.chat import FakeChat
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.world import World

NAME = "morning-kites"
SHEET = Sheet(key="series/morning-kites/first.csv", format=SheetFormat.CSV)
OTHER_SHEET = Sheet(key="series/morning-kites/second.csv", format=SheetFormat.CSV)
DAYS = [NOW + timedelta(days=day) for day in range(4)]
IDS = ("video_1", "video_2", "video_3", "video_4")
EXHAUSTED = IntakeResult(outcome=IntakeOutcome.EXHAUSTED)


def write_csv(*rows: str, header: str = "id,prompt,seconds") -> bytes:
    return "\n".join([header, *rows]).encode()


THREE = write_csv("a,First,4", "b,Second,8", "c,Third,4")


class Scene:
    """A series over a world of fakes, and what was said of it."""

    def __init__(
        self,
        content: bytes = THREE,
        *,
        effects: Effects | None = None,
        waiting: tuple[int, ...] = (1, 2, 3),
        templates: dict[str, str] | None = None,
        **world: Any,
    ) -> None:
        self.world = World(effects=effects, ids=IDS, **world)
        self.effects = self.world.effects
        self.book = SeriesStore(self.world.table)
        self.contents = {SHEET.key: content}
        self.said: list[VideoRejected | SeriesExhausted] = []
        self.reports: list[str] = []
        self._take = RunSchedule(
            series_store=self.book,
            sheets=self,
            submit=self.world.submit,
            send_event=self._say,
            count_metric=self.world.metrics.append,
            report=self.reports.append,
            clock=self.world.clock,
        )
        sheet = SHEET.model_copy(update={"templates": templates or {}})
        timing = {"timing": "daily 12:00", "expression": "cron(0 12 * * ? *)", "timezone": "UTC"}
        self.book.create(Series(name=NAME, owner="studio", **timing, sheet=sheet, waiting=waiting, created_at=NOW))

    def read(self, sheet: Sheet) -> bytes:
        """Read a sheet."""
        if sheet.key not in self.contents:
            raise ConfigurationError("The sheet is gone.")
        return self.contents[sheet.key]

    def tell(self, scheduled_at: datetime, *, attempt: str = "attempt-1") -> IntakeResult:
        """Tell of a run, as Scheduler does."""
        told = write_schedule_event(NAME).replace("<aws.scheduler.execution-id>", attempt)
        told = told.replace("<aws.scheduler.scheduled-time>", scheduled_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return self._take(ScheduleDue.model_validate_json(told))

    def replace(self, content: bytes) -> None:
        """Give the series another sheet, as its owner does."""
        series, runs = self.book.get(NAME), self.book.list_runs(NAME)
        next_row = find_next_row(series, runs)
        waiting = list_waiting(read_sheet(content, SheetFormat.CSV), runs=runs, next_row=next_row)
        self.contents[OTHER_SHEET.key] = content
        sheet = OTHER_SHEET.model_copy(update={"first_row": next_row})
        self.book.change(series, sheet=sheet, waiting=waiting)

    @property
    def videos(self) -> list[Video]:
        """List the videos, in the order in which they were made."""
        videos = [Video.model_validate(item) for item in self.world.table.items.values() if item["sk"] == "VIDEO"]
        return sorted(videos, key=lambda video: video.id)

    @property
    def prompts(self) -> list[str]:
        """List their prompts."""
        return [video.prompt for video in self.videos]

    @property
    def series(self) -> Series:
        """Read the series."""
        return self.book.get(NAME)

    def _say(self, event: VideoRejected | SeriesExhausted) -> None:
        with self.effects.take(f"say {event.type}"):
            self.said.append(event)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestTurn:
    def test_a_video_tells_of_which_turn_and_row_it_is(self, scene: Scene) -> None:
        scene.tell(NOW, attempt="attempt-7")

        video = scene.world.video_store.get_unchecked("video_1")
        assert (video.request_id, video.correlation_id) == ("attempt-7", "series:morning-kites:a")

    def test_a_row_may_make_posts(self) -> None:
        header = "prompt,publish.twitter.account_id"
        scene = Scene(write_csv("First,101", header=header), waiting=(1,))

        scene.tell(NOW)

        assert [post.target.platform for post in scene.world.post_store.list_unchecked("video_1")] == ["twitter"]

    def test_turns_that_come_in_reverse_take_each_a_row(self, scene: Scene) -> None:
        for day in [*reversed(DAYS[:3]), *DAYS[:3]]:
            scene.tell(day)

        assert scene.prompts == ["First", "Second", "Third"]
        assert [run.row for run in scene.book.list_runs(NAME)] == [3, 2, 1]

    def test_a_turn_that_is_told_of_twice_at_once_is_one_video(self, scene: Scene) -> None:
        scene.world.table.meanwhile = lambda: scene.tell(NOW)

        result = scene.tell(NOW)

        assert result == IntakeResult(outcome=IntakeOutcome.REPEATED, video_id="video_1")
        assert (scene.prompts, scene.series.waiting) == (["First"], (2, 3))

    def test_a_turn_that_others_always_come_before_is_put_back(self, scene: Scene) -> None:
        def pause_and_resume() -> None:
            scene.book.change(scene.series, state=SeriesState.ACTIVE)
            scene.world.table.meanwhile = pause_and_resume

        scene.world.table.meanwhile = pause_and_resume
        with pytest.raises(Contention, match=NAME):
            scene.tell(NOW)

        assert scene.book.list_runs(NAME) == []


def count_effects() -> int:
    scene = Scene()
    before = len(scene.effects.names)
    scene.tell(NOW)
    return len(scene.effects.names) - before


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("effect", range(1, count_effects() + 1))
@pytest.mark.parametrize("comes_between", [False, True])
def test_a_crash_anywhere_loses_no_row_and_makes_no_second_video(
    effect: int, moment: Moment, comes_between: bool
) -> None:
    # Its creation is the first effect of a scene.
    scene = Scene(effects=Effects(Crash(1 + effect, moment)))
    with pytest.raises(SimulatedCrash):
        scene.tell(DAYS[0])

    if comes_between:
        scene.tell(DAYS[1])
    for day in DAYS[:2]:
        scene.tell(day)

    assert sorted(scene.prompts) == ["First", "Second"]
    assert scene.series.waiting == (3,)
    assert {run.video_id for run in scene.book.list_runs(NAME)} == {video.id for video in scene.videos}


class TestRefusal:
    def test_a_row_without_an_id_is_told_by_its_number(self) -> None:
        scene = Scene(write_csv("First,5", header="prompt,seconds"), waiting=(1,))

        scene.tell(NOW)

        assert json.loads(scene.said[0].model_dump_json())["correlation_id"] == "series:morning-kites:1"

    def test_it_is_counted_reported_and_kept_without_its_prompt(self) -> None:
        scene = Scene(write_csv("a,First,5"), waiting=(1,))

        scene.tell(NOW)

        assert scene.world.metrics == ["SeriesRowsRefused"]
        (report,) = scene.reports
        assert report == (
            "Row 1 of the series morning-kites was refused (invalid_value), and its run of 2026-12-01 12:00 is used "
            "up; mediaposter schedule show morning-kites says why."
        )
        (run,) = scene.book.list_runs(NAME)
        assert run.error is not None
        assert (run.error.code, run.error.param, run.refused_at) == ("invalid_value", "seconds", NOW)

    def test_a_refused_turn_that_is_told_of_again_is_answered_the_same_and_takes_nothing(self) -> None:
        scene = Scene(write_csv("a,First,5", "b,Second,4"), waiting=(1, 2))
        first = scene.tell(NOW)
        scene.world.clock.advance(3_600)

        assert scene.tell(NOW, attempt="attempt-2") == first

        assert scene.said[0] == scene.said[1]
        assert scene.prompts == []

    @pytest.mark.parametrize("moment", list(Moment))
    def test_a_crash_around_the_event_does_not_lose_it(self, moment: Moment) -> None:
        scene = Scene(write_csv("a,First,5", "b,Second,4"), waiting=(1, 2))
        scene.effects.crash_at(3, moment)
        with pytest.raises(SimulatedCrash):
            scene.tell(NOW)
        assert scene.effects.names[-1] == "say video.rejected"

        scene.tell(NOW)

        assert scene.said
        assert (scene.prompts, scene.series.waiting) == ([], (2,))

    def test_a_row_that_was_right_once_and_is_not_any_more_is_refused(self) -> None:
        scene = Scene(write_csv("a,First,4,,red", header="id,prompt,seconds,model"), waiting=(1,))

        assert scene.tell(NOW) == IntakeResult(outcome=IntakeOutcome.REFUSED, code="invalid_csv")

    def test_a_start_that_fails_is_a_fault_and_the_same_row_is_taken_when_the_turn_comes_again(
        self, scene: Scene
    ) -> None:
        scene.world.workflow.refuses = True

        for _ in range(2):
            with pytest.raises(NotStarted):
                scene.tell(NOW)

        assert [(run.row, run.video_id) for run in scene.book.list_runs(NAME)] == [(1, None)]
        assert scene.series.waiting == (2, 3)

    def test_a_sheet_that_is_gone_is_a_fault_and_uses_up_nothing(self, scene: Scene) -> None:
        content = scene.contents.pop(SHEET.key)
        with pytest.raises(ConfigurationError, match="gone"):
            scene.tell(NOW)

        scene.contents[SHEET.key] = content
        scene.tell(NOW)

        assert scene.prompts == ["First"]


class TestEmptySheet:
    def test_an_empty_sheet_says_so(self) -> None:
        scene = Scene(waiting=())

        assert scene.tell(NOW) == EXHAUSTED

        assert scene.said == [SeriesExhausted(series=NAME, owner="studio", scheduled_at=NOW, occurred_at=NOW)]
        assert scene.world.metrics == ["SeriesExhausted"]
        (report,) = scene.reports
        assert report == (
            "The sheet of the series morning-kites is used up, and its run of 2026-12-01 12:00 took nothing. Give it "
            "another, or end it: mediaposter schedule replace-sheet morning-kites, or remove."
        )


class TestStopped:
    def test_a_turn_of_a_removed_series_is_answered_and_dropped(self, scene: Scene) -> None:
        scene.tell(DAYS[0])
        scene.book.remove(NAME)

        for day in DAYS[:2]:
            assert scene.tell(day) == IntakeResult(outcome=IntakeOutcome.IGNORED, code="series_removed")

        assert scene.prompts == ["First"]
        assert scene.reports[0] == (
            "There is no series morning-kites any more, and its run of 2026-12-01 12:00 took nothing."
        )

    def test_a_turn_of_a_paused_series_takes_nothing(self, scene: Scene) -> None:
        scene.book.change(scene.series, state=SeriesState.PAUSED)

        assert scene.tell(NOW) == IntakeResult(outcome=IntakeOutcome.IGNORED, code="series_paused")
        assert scene.series.waiting == (1, 2, 3)


class TestReplacedSheet:
    def test_the_number_goes_on_over_several_sheets(self) -> None:
        rows = [f"Number {number}" for number in range(1, 5)]
        scene = Scene(write_csv(*rows, header="prompt"), waiting=(1, 2, 3, 4))
        for day in DAYS[:2]:
            scene.tell(day)

        for _ in range(2):
            scene.replace(write_csv(*rows, header="prompt"))

        assert scene.series.waiting == (3, 4)


def test_each_run_fills_the_template_of_its_series_from_its_row() -> None:
    content = write_csv("kite,Mars", "boat,", header="product,place")
    scene = Scene(content, waiting=(1, 2), templates={"prompt": "A {product} on {place}"})

    outcomes = [scene.tell(day).outcome for day in DAYS[:2]]

    assert scene.prompts == ["A kite on Mars"]
    assert outcomes == [IntakeOutcome.TAKEN, IntakeOutcome.REFUSED]


def a_turn(row: int, row_id: str | None, *, is_refused: bool = False) -> ScheduleRun:
    return ScheduleRun(
        series=NAME,
        scheduled_at=NOW,
        sheet=SHEET,
        row=row,
        row_id=row_id,
        request_id="attempt-1",
        taken_at=NOW,
        error=Problem(code="invalid_value", message="No.") if is_refused else None,
    )


WITH_IDS, WITHOUT_IDS = ("a,A", "b,B"), (",A", ",B")
WAITING: dict[str, tuple[Sequence[str], Sequence[ScheduleRun], dict[str, int], tuple[int, ...]]] = {
    "all of a first sheet": (WITH_IDS, (), {}, (1, 2)),
    "none that is wrong": (("a,A", ",B", "a,C"), (), {}, (1, 2)),
    "from the chosen row": (WITH_IDS, (), {"start_row": 2}, (2,)),
    "by id": (WITH_IDS, (a_turn(7, "a"),), {"next_row": 8}, (2,)),
    "a refused one again": (WITH_IDS, (a_turn(7, "a", is_refused=True),), {"next_row": 8}, (1, 2)),
    "by id also from a chosen row": (WITH_IDS, (a_turn(7, "a"),), {"next_row": 8, "start_row": 1}, (2,)),
    "by number": (WITHOUT_IDS, (a_turn(1, None),), {"next_row": 2}, (2,)),
    "from the chosen row by number": (WITHOUT_IDS, (a_turn(1, None),), {"next_row": 2, "start_row": 1}, (1, 2)),
    "by number where ids came later": (WITH_IDS, (a_turn(1, None),), {"next_row": 2}, (2,)),
    "by number where the row has no id": ((",A", "b,B"), (a_turn(1, "a"),), {"next_row": 2}, (2,)),
}


@pytest.mark.parametrize("which", WAITING)
def test_rows_that_wait(which: str) -> None:
    lines, runs, numbers, waiting = WAITING[which]

    assert (
        list_waiting(read_sheet(write_csv(*lines, header="id,prompt"), SheetFormat.CSV), runs=runs, **numbers)
        == waiting
    )


@pytest.mark.parametrize(("effect", "moment"), [(effect, moment) for effect in range(2, 9) for moment in Moment])
def test_a_row_has_its_captions_written_once_wherever_its_run_crashes(effect: int, moment: Moment) -> None:
    sheet = write_csv("a,First,write,908", header="id,prompt,captions,publish.threads.account_id")
    scene = Scene(
        sheet, waiting=(1,), effects=Effects(Crash(effect, moment)), chat=lambda effects: FakeChat(effects=effects)
    )
    with suppress(SimulatedCrash):
        scene.tell(DAYS[0])
    scene.world.clock.advance(180)  # until SQS delivers the message again

    scene.tell(DAYS[0])

    chat = scene.world.chat
    assert isinstance(chat, FakeChat)
    [post] = [post for name in IDS for post in scene.world.post_store.list_unchecked(name)]
    assert post.text in {"A kite for threads, number 1", f"A kite for threads, number {len(chat.calls)}"}
    assert len(chat.calls) <= 2
