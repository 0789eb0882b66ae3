"""Whatever happens to videos, in any order and with any crash: the slots are counted as the records say."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mediaposter.domain.errors import ErrorCode, MediaPosterError, VersionConflict
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.capacity import SlotCount
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.generation.attempts import end_attempt, fall_back
from mediaposter.usecases.steps import CheckInput, CloseInput, StepInput
from mediaposter.usecases.videos.resume import GENERATED_WITHIN
from tests.builders import a_caller, a_request
from tests.fakes.effects import Moment, SimulatedCrash
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import GENERATION_TIMEOUT_SECONDS, World

EXAMPLES = int(os.environ.get("MEDIAPOSTER_EXAMPLES", "60"))
# After so long no video may go on.
ALL_TIME_SECONDS = GENERATION_TIMEOUT_SECONDS + GENERATED_WITHIN.total_seconds() + 601
LIMITS = {"sora": 2, "kites": 1}
NUMBERS = st.integers(0, 5)
# After how many effects the worker dies, and on which side; mostly it does not.
DEATHS = st.none() | st.tuples(st.integers(1, 3), st.sampled_from(Moment))

Death = tuple[int, Moment] | None


class SlotMachine(RuleBasedStateMachine):
    """Videos of two providers, one of which takes over from the other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(
            slots=LIMITS,
            ids=(f"video_{number}" for number in range(10_000)),
            other_models={"kite-1": FakeVideoModel},
        )

    @rule(batch=st.sampled_from([None, "batch_1", "batch_2"]), falls_back=st.booleans(), death=DEATHS)
    def submit(self, batch: str | None, falls_back: bool, death: Death) -> None:
        """Take a request."""
        request = a_request(fallback_models=["kite-1"] if falls_back else [])
        self._do(lambda: self.world.submit(request, caller=a_caller(), batch_id=batch), death)

    @rule(provider=st.sampled_from(sorted(LIMITS)), death=DEATHS)
    def dispatch(self, provider: str, death: Death) -> None:
        """Give free slots to those who wait."""
        self._do(lambda: self.world.dispatch(provider), death)

    @rule(number=NUMBERS, death=DEATHS)
    def start(self, number: int, death: Death) -> None:
        """Let an execution take its first step."""
        for video in self._pick(number, lambda video: video.stage in (Stage.QUEUED, Stage.SUBMITTING)):
            self._do(partial(self.world.start, StepInput(video_id=video.id, launch=video.launch)), death)

    @rule(number=NUMBERS, death=DEATHS)
    def check(self, number: int, death: Death) -> None:
        """Let an execution ask for its render, which is done."""
        for video in self._pick(number, lambda video: video.stage is Stage.RENDERING):
            self._do(partial(self.world.check, CheckInput(video_id=video.id)), death)

    @rule(number=NUMBERS, death=DEATHS)
    def fall_back(self, number: int, death: Death) -> None:
        """Let the provider refuse, and the other take over."""
        for video in self._pick(number, lambda video: bool(video.fallbacks) and video.stage is Stage.SUBMITTING):
            ended = end_attempt(video, ErrorCode.INSUFFICIENT_CREDIT, "No credit.")
            self._do(partial(fall_back, self.world.video_store, video, ended, self.world.clock()), death)

    @rule(number=NUMBERS, launch=st.integers(0, 1), death=DEATHS)
    def break_off(self, number: int, launch: int, death: Death) -> None:
        """Let an execution break off, the one that carries the video or one before it."""
        for video in self._pick(number):
            closing = CloseInput(video_id=video.id, launch=launch, fault="execution ABORTED")
            self._do(partial(self.world.close, closing), death)

    @rule(number=NUMBERS, death=DEATHS)
    def delete(self, number: int, death: Death) -> None:
        """Delete a video, whatever it does."""
        for video in self._pick(number):
            self._do(partial(self.world.delete, video.id, caller=a_caller()), death)

    @rule(
        seconds=st.sampled_from([10, 400, GENERATION_TIMEOUT_SECONDS + 601, ALL_TIME_SECONDS]),
        are_gone=st.booleans(),
        death=DEATHS,
    )
    def sweep(self, seconds: float, are_gone: bool, death: Death) -> None:
        """Let time pass, and the sweep look for what was left behind; the executions may all be gone."""
        self.world.clock.advance(seconds)
        if are_gone:
            self.world.workflow.over |= dict.fromkeys(self.world.workflow.executions, ExecutionStatus.ABORTED)
        self._do(self.world.sweep, death)
        self._do(self.world.sweep, None)

    @invariant()
    def the_numbers_are_those_of_the_records(self) -> None:
        """Count again, and compare."""
        videos = self._list()
        for provider, limit in LIMITS.items():
            slots = sum(video.slot == provider for video in videos)
            waiting = sum(video.place is not None and video.provider == provider for video in videos)
            assert self.world.slots.count(provider) == SlotCount(in_flight=slots, waiting=waiting)
            assert slots <= limit

    @invariant()
    def what_is_not_at_a_provider_holds_nothing(self) -> None:
        """Look at each record."""
        for video in self._list():
            if video.failure is not None or video.stage not in (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING):
                assert video.held is None
            assert video.slot is None or video.place is None

    def teardown(self) -> None:
        """Let everything come to its end: then no slot is taken, and no video waits."""
        for _ in range(2 * len(self._list()) + 2):
            for provider in LIMITS:
                self.world.dispatch(provider)
            self.world.clock.advance(ALL_TIME_SECONDS)
            self.world.workflow.over |= dict.fromkeys(self.world.workflow.executions, ExecutionStatus.ABORTED)
            self.world.sweep()
            self.world.sweep()
        for provider in LIMITS:
            assert self.world.slots.count(provider) == SlotCount()

    def _list(self) -> list[Video]:
        return [Video.model_validate(item) for key, item in self.world.table.items.items() if key.sk == "VIDEO"]

    def _pick(self, number: int, fits: Callable[[Video], bool] = lambda _: True) -> list[Video]:
        """Pick one video of those that fit, if there is any."""
        fitting = [video for video in self._list() if fits(video)]
        return [fitting[number % len(fitting)]] if fitting else []

    def _do(self, work: Callable[[], object], death: Death) -> None:
        if death is not None:
            self.world.effects.crash_at(*death)
        with suppress(SimulatedCrash, VersionConflict, MediaPosterError):
            work()
        self.world.effects.crash_never()


SlotMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
TestSlots = SlotMachine.TestCase
