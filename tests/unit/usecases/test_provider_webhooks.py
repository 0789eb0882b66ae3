"""A provider's webhook: what it changes, in whatever order it, the machine and the provider's answer come."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.ai.gemini_model import GeminiVideoModel
from mediaposter.ai.video_model_interface import Capabilities, VideoModelInterface, VideoStatus
from mediaposter.domain.errors import ErrorCode, UnknownJob, VideoModelError, WebhookRejected
from mediaposter.host.walker import WaitWrite
from mediaposter.stores.job_callbacks import HINTS_MAX, UNKNOWN_KEPT_FOR, JobCallbackStore, name_job
from mediaposter.stores.table import Key
from mediaposter.stores.videos import JobClaim, VideoStore
from mediaposter.usecases.generation.check_generation import POLLS_MAX
from mediaposter.usecases.generation.provider_webhooks import ProviderCallbacks, ReceiveProviderWebhook, WebhookOutcome
from mediaposter.usecases.steps import Outcome, StepResult
from mediaposter.wire.webhooks import sign_webhook
from tests.builders import NOW, VIDEO_ID, a_request, a_video
from tests.fakes.edges import PUBLIC_URL
from tests.fakes.effects import Effects, Moment, SimulatedCrash
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel, RenderingModel
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World

WEBHOOK = Capabilities(webhook=True)
WAIT = Key(name_job("sora", "job-1"), "WAIT")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_world(*, render_seconds: float = 60.0, listens_to: Sequence[str] = ("sora",)) -> tuple[World, RenderingModel]:
    world = World(model=lambda effects: RenderingModel(effects, capabilities=WEBHOOK), listens_to=listens_to)
    assert isinstance(world.model, RenderingModel)
    world.model.clock = world.clock
    world.model.render_seconds = render_seconds
    return world, world.model


@pytest.mark.parametrize(("render_seconds", "questions"), [(40, 1), (95, 2)], ids=["first", "after its 90 seconds"])
def test_a_webhook_ends_the_wait(render_seconds: float, questions: int) -> None:
    world, model = a_world(render_seconds=render_seconds)
    world.webhooks_at = [after(render_seconds)]

    world.deliver(a_request())

    assert world.video.status is VideoStatus.COMPLETED
    assert (model.delay_seconds, model.questions) == (0, questions)
    assert world.heard == [WebhookOutcome.HEARD]


def test_a_lost_webhook_costs_the_rest_of_the_wait() -> None:
    world, model = a_world(render_seconds=40)

    world.deliver(a_request())

    assert world.video.status is VideoStatus.COMPLETED
    # The wait that the model is given is 60 s, and it is rounded up.
    assert 0 < model.delay_seconds <= 120 - 40


@pytest.mark.parametrize(
    ("wait_seconds", "seconds"), [(1, 5), (5, 5), (6, 15), (400, 400), (401, 1_500), (3_600, 1_500)]
)
def test_a_wait_that_a_webhook_may_end_is_rounded_up(wait_seconds: int, seconds: int) -> None:
    listening = ProviderCallbacks(
        waits=JobCallbackStore(InMemoryTable()), providers=["sora"], public_url=lambda: PUBLIC_URL
    )
    answer = StepResult(outcome=Outcome.WAIT, wait_seconds=wait_seconds)

    heard = listening.listen(answer, a_video(), FakeVideoModel(Effects(), capabilities=WEBHOOK), "job-1", now=NOW)

    assert heard.listen is not None
    assert (heard.listen.seconds, heard.wait_seconds) == (seconds, wait_seconds)


def test_a_webhook_that_comes_before_create_has_returned_is_not_lost() -> None:
    world, model = a_world(render_seconds=0)
    model.meanwhile = world.call

    world.deliver(a_request())

    # Answered as unknown, because the job could not be known; and the first poll comes at once.
    assert world.heard == [WebhookOutcome.UNKNOWN]
    assert (world.video.status, model.delay_seconds) == (VideoStatus.COMPLETED, 0)


def test_a_submission_names_the_address_where_the_provider_asks_for_one() -> None:
    world, model = a_world()

    world.deliver(a_request())

    assert model.accepted[0].webhook_url == f"{PUBLIC_URL}/webhooks/sora"


# Every order in which the writes of the three come. The job is taken down and checked in this order, and each step of
# the machine follows the one before; the webhook's two steps may stand anywhere among them.
_MACHINE = ("keep job", "write wait", "check", "write wait again")
_WEBHOOK = ("read", "write")
_ORDERS = [
    tuple("webhook " + _WEBHOOK[slots.index(index)] if index in slots else None for index in range(6))
    for slots in itertools.combinations(range(6), 2)
]


def _interleave(order: Sequence[str | None]) -> list[str]:
    machine = iter(_MACHINE)
    return [step or next(machine) for step in order]


class Interleaving:
    """Takes the steps one by one, and remembers whether the machine waits and knows of the render's end."""

    def __init__(self) -> None:
        self.world = World()
        self.waits = JobCallbackStore(self.world.table)
        self.is_waiting = False
        self.knows = False
        self.is_done = False

    def take(self, step: str) -> None:
        getattr(self, "_" + step.replace(" ", "_"))()

    def _keep_job(self) -> None:
        self.world.table.create([JobClaim(provider="sora", job="job-1", video_id=VIDEO_ID)])

    def _write_wait(self) -> None:
        item = self.world.table.items.get(WAIT, {})
        if "hinted_at" in item:
            self._check()
        else:
            self._set_token(f"token-{len(self.world.workflow.signals)}-{self.knows}")
            self.is_waiting = True

    def _write_wait_again(self) -> None:
        if not self.knows:
            self._write_wait()

    def _set_token(self, token: str) -> None:
        self.token = token
        self.world.write_wait(WaitWrite(WAIT.pk, WAIT.sk, token, ttl=1))

    def _check(self) -> None:
        self.is_waiting = False
        self.waits.apply_hint(WAIT.pk, now=NOW)
        self.knows = self.knows or self.is_done

    def settle(self) -> None:
        """Let what was sent arrive: a machine that waits is woken, and checks."""
        if self.is_waiting and self.token in self.world.workflow.signals:
            self._check()


@pytest.mark.parametrize("order", _ORDERS, ids=lambda order: " > ".join(_interleave(order)))
def test_no_order_of_the_writes_loses_a_webhook(order: Sequence[str | None]) -> None:
    run = Interleaving()
    hear = ReceiveProviderWebhook(
        providers=["sora"],
        parse_webhook=lambda *_: "job-1",
        videos=run.world.video_store,
        waits=run.waits,
        signaller=run.world.workflow,
        report=lambda *_: None,
        clock=lambda: NOW,
    )
    steps = _interleave(order)
    first, second = steps.index("webhook read"), steps.index("webhook write")

    def between() -> None:
        for step in steps[first + 1 : second]:
            run.take(step)
            run.settle()

    for step in steps[:first]:
        run.take(step)
    run.is_done = True  # the provider calls because it is
    # What others do between a webhook's look at the item and its write.
    run.world.table.meanwhile = between
    try:
        hear("sora", {}, b"done")
        is_known = True
    except UnknownJob:
        is_known = False
    run.settle()
    for step in steps[second + 1 :]:
        run.take(step)
        run.settle()

    assert run.knows, "the machine waits, and no webhook will wake it"
    assert is_known is ("keep job" in steps[:first])


# The use case with the signatures of Standard Webhooks.

_OLD, _NEW, _STRANGERS = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
_BODY = b'{"type": "interaction.completed", "data": {"id": "job-1"}}'
WAIT_AT_GEMINI = Key(name_job("gemini", "job-1"), "WAIT")


class Door:
    """The use case in front of Gemini's adapter, with one video whose job is job-1."""

    def __init__(
        self,
        *secrets: str,
        providers: Sequence[str] = ("gemini",),
        has_job: bool = True,
        parse: Callable[..., str] | None = None,
    ) -> None:
        self.table = InMemoryTable()
        self.workflow = FakeWorkflow()
        self.reported: list[tuple[str, WebhookOutcome]] = []
        self.now = NOW
        if has_job:
            self.table.create([JobClaim(provider="gemini", job="job-1", video_id=VIDEO_ID)])
        self._secrets = secrets or (_NEW,)
        self._hear = ReceiveProviderWebhook(
            providers=providers,
            parse_webhook=parse or self._parse,
            videos=VideoStore(self.table),
            waits=JobCallbackStore(self.table),
            signaller=self.workflow,
            report=lambda provider, heard: self.reported.append((provider, heard)),
            clock=lambda: self.now,
        )
        self._before = dict(self.table.items)

    @property
    def is_untouched(self) -> bool:
        return self.table.items == self._before and not self.workflow.signals

    def knock(
        self, *, secret: str = _NEW, at: datetime = NOW, body: bytes = _BODY, provider: str = "gemini"
    ) -> WebhookOutcome:
        return self._hear(provider, sign_webhook("msg_1", body, secret=secret, now=at), body)

    def knock_with(self, headers: dict[str, str]) -> WebhookOutcome:
        return self._hear("gemini", headers, _BODY)

    def _parse(self, provider: str, headers: object, body: bytes, at: datetime) -> str:
        return _gemini().parse_webhook(headers, body, secrets=self._secrets, now=at)  # type: ignore[arg-type]


def _gemini() -> VideoModelInterface:
    return GeminiVideoModel(entry=built_in_catalog().get("gemini-omni-1.2-flash"), api_key="none")


@pytest.mark.parametrize(
    "knock",
    [
        lambda door: door.knock(secret=_STRANGERS),
        lambda door: door.knock_with({}),
        lambda door: door.knock_with(sign_webhook("msg_1", _BODY + b" ", secret=_NEW, now=NOW)),
        lambda door: door.knock(body=b'{"data": {}}'),
        lambda door: door.knock(at=after(-301)),
        lambda door: door.knock(at=after(301)),
    ],
    ids=["a stranger's", "unsigned", "changed", "of no job", "of before", "of later"],
)
def test_a_webhook_that_is_not_the_providers_is_refused_and_nothing_done(knock: Callable[[Door], object]) -> None:
    door = Door()

    with pytest.raises(WebhookRejected) as raised:
        knock(door)

    assert not isinstance(raised.value, UnknownJob)
    assert door.is_untouched
    assert door.reported == [("gemini", WebhookOutcome.REFUSED)]


@pytest.mark.parametrize("provider", ["fal", "GEMINI", "", "no such provider"])
def test_a_provider_without_webhooks_here_is_refused_and_not_named(provider: str) -> None:
    door = Door()

    with pytest.raises(WebhookRejected):
        door.knock(provider=provider)

    assert door.is_untouched
    assert door.reported == [("", WebhookOutcome.REFUSED)]


def test_while_a_secret_is_replaced_both_are_heard() -> None:
    door = Door(_OLD, _NEW)

    assert door.knock(secret=_OLD) is WebhookOutcome.HEARD
    assert door.knock(secret=_NEW, body=_BODY + b" ") is WebhookOutcome.HEARD


def test_a_replay_changes_nothing() -> None:
    door = Door()
    door.knock()
    JobCallbackStore(door.table).apply_hint(name_job("gemini", "job-1"), now=NOW)
    before = dict(door.table.items)

    door.now = NOW + timedelta(seconds=299)

    assert door.knock() is WebhookOutcome.REPEATED
    assert door.table.items == before
    assert not door.workflow.signals


def test_an_unknown_job_is_told_from_a_forgery_and_heard_when_it_is_sent_again() -> None:
    door = Door(has_job=False)

    with pytest.raises(UnknownJob):
        door.knock()
    door.table.create([JobClaim(provider="gemini", job="job-1", video_id=VIDEO_ID)])

    assert door.reported == [("gemini", WebhookOutcome.UNKNOWN)]
    assert door.table.items[WAIT_AT_GEMINI]["ttl"] == (NOW + UNKNOWN_KEPT_FOR).timestamp()
    # The first one is remembered, so the wait that begins now is none.
    assert JobCallbackStore(door.table).apply_hint(name_job("gemini", "job-1"), now=NOW) == NOW
    assert door.knock() is WebhookOutcome.REPEATED


def test_a_machine_that_died_by_the_way_is_woken_by_the_provider_s_next_try() -> None:
    world, _ = a_world()
    world.table.create([JobClaim(provider="sora", job="job-1", video_id=VIDEO_ID)])
    world.table.items[WAIT] = {**WAIT._asdict(), "task_token": "token-1", "ttl": 1, "version": 1}
    world.effects.crash_at(2, Moment.BEFORE)

    with pytest.raises(SimulatedCrash):
        world.call()
    assert not world.workflow.signals
    world.call()

    assert world.workflow.signals["token-1"].outcome is Outcome.HINTED
    assert world.heard == [WebhookOutcome.REPEATED]


def test_what_cannot_be_verified_now_is_neither_heard_nor_refused() -> None:
    def fail(*_: object) -> str:
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, "fal's public keys could not be fetched.", transient=True)

    door = Door(providers=("fal",), parse=fail)

    with pytest.raises(VideoModelError):
        door.knock(provider="fal")

    assert door.is_untouched
    assert door.reported == []


def test_a_jobs_webhooks_leave_room_among_the_questions() -> None:
    # 214 is the most that pipeline.pacing asks of one render.
    assert 214 + HINTS_MAX <= POLLS_MAX
