"""Requests that come as files in the bucket or as events on the bus."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue, ValidationError

from checks.cloudformation import read_template
from mediaposter.ai.catalog import parse_catalog
from mediaposter.domain.errors import NotStarted
from mediaposter.events import AnyAnswer, EventNotSent, VideoRejected
from mediaposter.stores.batches import BatchStep
from mediaposter.stores.idempotency import KEPT_FOR
from mediaposter.stores.video_record import Video
from mediaposter.usecases.requests.intake import IntakeOutcome, IntakeResult, TakeRequest
from mediaposter.wire.batches import present_answer
from mediaposter.wire.intake import (
    DROPPED_REQUEST_MAX_BYTES,
    QueuedNotice,
    ScheduleDue,
    write_schedule_event,
)
from mediaposter.wire.pictures import PICTURE_MAX_BYTES
from tests.builders import NOW
from tests.fakes.batch_edges import FakeBatchWorkflow
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.inbox import FakeInbox
from tests.fakes.world import World
from tests.unit.functions.stack import REPOSITORY

CATALOG = parse_catalog(
    """
    [models.sora-2]
    provider = "sora"
    durations_seconds = [4, 8]
    sizes = ["720x1280", "1280x720"]
    price_usd_per_second = { "720" = "0.10" }
    expected_render_seconds = 100
    capabilities = { image_roles = ["first_frame"] }
    """
)
KEY = "inbox/kite.json"
ANSWER = "outbox/kite.result.json"
IDS = ("video_1", "video_2", "video_3")
EVENT_ID = "7a0d2d4c-53b6-4e5e-9a41-0c3f6f0e8b72"
TAKEN = IntakeResult(outcome=IntakeOutcome.TAKEN, video_id="video_1")
REPEATED = IntakeResult(outcome=IntakeOutcome.REPEATED, video_id="video_1")
WAITING = IntakeResult(outcome=IntakeOutcome.WAITING)
IGNORED = IntakeResult(outcome=IntakeOutcome.IGNORED)
TWITTER: dict[str, JsonValue] = {"platform": "twitter", "account_id": "101"}


def draw(*, colour: str = "red") -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (90, 160), colour).save(drawn, "PNG")
    return drawn.getvalue()


PICTURE = draw()


def write(**fields: JsonValue) -> bytes:
    return json.dumps({"prompt": "A red kite over the sea", **fields}).encode()


AWAITING = write(input_reference="inbox")


class Doors:
    """A world with its doors open."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        self.batch_workflow = FakeBatchWorkflow(self.effects)
        self.world = World(
            effects=self.effects,
            catalog=CATALOG,
            ids=IDS,
            batch_ids=(f"batch_{number}" for number in count(1)),
            batch_workflow=self.batch_workflow,
        )
        self.inbox = FakeInbox(self.effects)
        self.said: list[AnyAnswer] = []
        self.turns: list[ScheduleDue] = []
        self.fault: Exception | None = None
        self._take = TakeRequest(
            submit=self.world.submit,
            open_batch=self.world.stack.open_batch,
            run_schedule=self._run_schedule,
            files=self.inbox,
            send_event=self._say,
            inbox_owner="the-inbox",
            events_owner="the-bus",
            clock=self.world.clock,
        )

    def drop(self, key: str, content: bytes) -> IntakeResult:
        """Put a file, and tell of it."""
        return self.tell(key, self.inbox.drop(key, content))

    def tell(self, key: str, version_id: str | None) -> IntakeResult:
        """Tell of a file as S3 does by way of the queue; MiniStack names no versions."""
        told = {"key": key, "size": 1} | ({"version-id": version_id} if version_id else {})
        detail: dict[str, Any] = {"bucket": {"name": "bucket"}, "object": told}
        return self._tell({"id": "1", "detail-type": "Object Created", "source": "aws.s3", "detail": detail})

    def ask(self, *, event_id: str = EVENT_ID, source: str = "shop.orders", **detail: Any) -> IntakeResult:
        """Ask for a video on the bus."""
        detail = {"prompt": "A red kite over the sea", **detail}
        return self._tell({"id": event_id, "detail-type": "video.requested", "source": source, "detail": detail})

    @property
    def videos(self) -> list[Video]:
        """List the videos, the oldest first."""
        return [Video.model_validate(item) for item in self.world.table.items.values() if item["sk"] == "VIDEO"]

    def hand(self, notice: str) -> IntakeResult:
        """Hand over a notice as it lies in the queue."""
        return self._take(QueuedNotice.model_validate({"messageId": "1", "body": notice}).body)

    def _tell(self, notice: dict[str, Any]) -> IntakeResult:
        return self.hand(json.dumps(notice))

    def _run_schedule(self, turn: ScheduleDue) -> IntakeResult:
        self.turns.append(turn)
        return TAKEN

    def _say(self, event: AnyAnswer) -> None:
        if self.fault:
            raise self.fault
        self.said.append(event)


@pytest.fixture
def doors() -> Doors:
    return Doors()


class TestBatches:
    @pytest.mark.parametrize(
        ("key", "file_format"),
        [("inbox/kites.csv", "csv"), ("inbox/kites.tsv", "csv"), ("inbox/kites.jsonl", "jsonl")],
    )
    def test_a_file_of_rows_becomes_a_batch_of_the_inboxs_owner(self, doors: Doors, key: str, file_format: str) -> None:
        assert doors.drop(key, b"prompt\nA kite\n") == IntakeResult(outcome=IntakeOutcome.TAKEN, batch_id="batch_1")

        batch = doors.world.stack.batches.get_unchecked("batch_1")
        assert batch.caller.owner == "the-inbox"
        assert batch.source.model_dump() == {
            "key": key,
            "version_id": "v1",
            "format": file_format,
            "answer_stem": "outbox/kites",
            "templates": {},
        }
        assert list(doors.batch_workflow.executions) == [("batch_1", BatchStep.TAKE, 1)]

    def test_a_version_that_is_told_of_days_later_is_known_by_its_answer(self, doors: Doors) -> None:
        doors.drop("inbox/kites.csv", b"prompt\nA kite\n")
        answer = present_answer(doors.world.stack.batches.get_unchecked("batch_1"), [])
        doors.inbox.put_answer("outbox/kites.result.json", answer.model_dump_json().encode())
        doors.world.clock.advance((KEPT_FOR + timedelta(days=1)).total_seconds())

        repeated = doors.tell("inbox/kites.csv", "v1")

        assert repeated == IntakeResult(outcome=IntakeOutcome.REPEATED, batch_id="batch_1")

    def test_a_file_that_was_removed_is_nothing_to_take(self, doors: Doors) -> None:
        assert doors.tell("inbox/kites.csv", "v1") == IGNORED
        assert doors.batch_workflow.executions == {}

    @pytest.mark.parametrize("moment", list(Moment))
    @pytest.mark.parametrize("effect", [1, 2, 3])
    def test_a_crash_makes_no_second_batch(self, effect: int, moment: Moment) -> None:
        doors = Doors(Effects(Crash(effect, moment)))
        with suppress(SimulatedCrash):
            doors.drop("inbox/kites.csv", b"prompt\nA kite\n")

        doors.tell("inbox/kites.csv", "v1")

        assert len([key for key in doors.world.table.items if key.sk == "BATCH"]) == 1


class TestInbox:
    def test_a_request_may_make_posts(self, doors: Doors) -> None:
        assert doors.drop(KEY, write(publish=[TWITTER])) == TAKEN
        assert [post["platform"] for post in doors.inbox.answer(ANSWER)["video"]["posts"]] == ["twitter"]

    @pytest.mark.parametrize("moment", list(Moment))
    def test_a_crash_around_the_answer_makes_no_second_video(self, doors: Doors, moment: Moment) -> None:
        doors.drop(KEY, write())
        answered = doors.effects.names.index(f"answer {ANSWER}") + 1
        doors = Doors(Effects(Crash(answered, moment)))
        with pytest.raises(SimulatedCrash):
            doors.drop(KEY, write())

        assert doors.tell(KEY, "v1").video_id == "video_1"

        assert len(doors.videos) == 1
        assert doors.inbox.answer(ANSWER)["video"]["id"] == "video_1"

    def test_versions_that_are_told_of_in_reverse_are_each_a_video(self, doors: Doors) -> None:
        versions = [doors.inbox.drop(KEY, write(seconds=seconds)) for seconds in (4, 8)]

        for version_id in [*reversed(versions), *versions]:
            doors.tell(KEY, version_id)

        assert [video.seconds for video in doors.videos] == [8, 4]

    @pytest.mark.parametrize(
        "key", ["outbox/kite.json", "videos/video_1/video.mp4", "inbox", "inbox/", "inbox/autumn/", "INBOX/kite.json"]
    )
    def test_what_is_no_file_of_the_inbox_is_ignored(self, doors: Doors, key: str) -> None:
        assert doors.drop(key, write()) == IGNORED
        assert (doors.videos, doors.inbox.answers) == ([], {})

    @pytest.mark.parametrize(
        ("content", "code", "param"),
        [
            (b"{", "invalid_json", None),
            (b"[]", "invalid_json", None),
            (b"", "empty_file", None),
            (b"\xef\xbb\xbf", "empty_file", None),
            (b"PK\x03\x04" + bytes(40), "unsupported_file", None),
            (PICTURE, "unsupported_file", None),
            ('{"prompt": "Möwe"}'.encode("latin-1"), "invalid_encoding", None),
            ('{"prompt": "Möwe"}'.encode("utf-16"), "invalid_encoding", None),
            (b'{"prompt": "A kite", "prompt": "B"}', "duplicate_field", "prompt"),
            (b'{"seconds": 4}', "missing_required_parameter", "prompt"),
            (write(colour="red"), "unknown_parameter", "colour"),
            (write(correlation_id="1"), "unknown_parameter", "correlation_id"),
            (write(size="1x1"), "invalid_value", "size"),
            (write(model="kite-9"), "model_not_found", "model"),
            (write(input_reference="inbox", size=1), "invalid_value", "size"),
        ],
    )
    def test_what_is_wrong_with_a_request_is_answered(
        self, doors: Doors, content: bytes, code: str, param: str | None
    ) -> None:
        assert doors.drop(KEY, content) == IntakeResult(outcome=IntakeOutcome.REFUSED, code=code)

        answer = doors.inbox.answer(ANSWER)
        assert (answer["request"], answer["video"]) == ({"key": KEY, "version_id": "v1"}, None)
        assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
        assert answer["error"]["type"] == "invalid_request_error"
        assert doors.videos == []

    @pytest.mark.parametrize(("more_bytes", "outcome"), [(0, IntakeOutcome.TAKEN), (1, IntakeOutcome.REFUSED)])
    def test_a_request_has_a_bound(self, doors: Doors, more_bytes: int, outcome: IntakeOutcome) -> None:
        content = write()

        result = doors.drop(KEY, content + b" " * (DROPPED_REQUEST_MAX_BYTES - len(content) + more_bytes))

        assert result.outcome is outcome
        assert result.code == ("request_too_large" if more_bytes else None)

    @pytest.mark.parametrize(
        "name", ["kites.zip", "kite.JSON", "kite.PNG", "kite", "json", "kite.JSONL", "kite.csv.gz"]
    )
    def test_a_file_of_another_kind_has_an_answer_of_its_own(self, doors: Doors, name: str) -> None:
        assert doors.drop(f"inbox/{name}", write()).code == "unsupported_file"

        assert list(doors.inbox.answers) == [f"outbox/{name}.result.json"]
        assert doors.videos == []

    def test_a_start_that_fails_is_left_to_the_queue(self, doors: Doors) -> None:
        doors.world.workflow.refuses = True

        with pytest.raises(NotStarted):
            doors.drop(KEY, write())

        doors.world.workflow.refuses = False
        assert doors.tell(KEY, "v1").video_id == "video_2"
        assert doors.world.workflow.executions == ["video_2"]

    def test_a_damaged_answer_answers_nothing(self, doors: Doors) -> None:
        doors.inbox.answers[ANSWER] = b"not an answer"

        assert doors.drop(KEY, write()) == TAKEN


class TestPicture:
    @pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "webp"])
    def test_a_picture_that_comes_first_waits_for_its_request(self, doors: Doors, extension: str) -> None:
        results = [doors.drop(f"inbox/kite.{extension}", PICTURE), doors.drop(KEY, AWAITING)]

        assert results == [WAITING, TAKEN]
        (video,) = doors.videos
        assert doors.world.media.objects[f"uploads/the-inbox/{video.input_image}"] == PICTURE

    def test_both_notices_of_a_pair_make_one_video(self, doors: Doors) -> None:
        keys = (KEY, "inbox/kite.png")
        for key, content in zip(keys, (AWAITING, PICTURE), strict=True):
            doors.inbox.drop(key, content)

        results = [doors.tell(key, "v1") for key in (*keys, *reversed(keys))]

        assert results == [TAKEN, REPEATED, REPEATED, REPEATED]
        assert len(doors.videos) == 1

    def test_a_picture_does_not_start_what_does_not_await_it(self, doors: Doors) -> None:
        doors.inbox.drop(KEY, write())

        assert doors.drop("inbox/kite.png", PICTURE) == WAITING
        assert (doors.videos, doors.inbox.answers) == ([], {})

    def test_a_request_that_names_a_picture_of_its_own_does_not_use_the_one_beside_it(self, doors: Doors) -> None:
        doors.drop("inbox/kite.png", PICTURE)

        doors.drop(KEY, write(input_reference="https://pictures.example/1.png"))

        assert doors.videos[0].input_image == "https://pictures.example/1.png"

    @pytest.mark.parametrize("is_lost", [False, True], ids=["answered", "answer lost"])
    def test_another_picture_makes_no_second_video_of_the_same_request(self, doors: Doors, is_lost: bool) -> None:
        doors.drop("inbox/kite.png", PICTURE)
        doors.drop(KEY, AWAITING)
        if is_lost:
            doors.inbox.answers.clear()

        refused = IntakeResult(outcome=IntakeOutcome.REFUSED, code="already_taken")
        assert doors.drop("inbox/kite.png", draw(colour="blue")) == (refused if is_lost else REPEATED)
        assert len(doors.videos) == 1

    def test_two_pictures_are_refused_by_name(self, doors: Doors) -> None:
        doors.drop("inbox/kite.png", PICTURE)
        doors.drop("inbox/kite.webp", PICTURE)

        assert doors.drop(KEY, AWAITING).code == "ambiguous_picture"
        assert "inbox/kite.png, inbox/kite.webp" in doors.inbox.answer(ANSWER)["error"]["message"]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"no picture", "invalid_value"),
            (b"", "invalid_value"),
            (PICTURE[:-20], "invalid_value"),
            (bytes(PICTURE_MAX_BYTES + 1), "request_too_large"),
        ],
        ids=["text", "empty", "cut", "large"],
    )
    def test_a_picture_that_cannot_be_used_is_answered_and_may_be_replaced(
        self, doors: Doors, content: bytes, code: str
    ) -> None:
        doors.drop(KEY, AWAITING)

        refused = doors.drop("inbox/kite.png", content)
        taken = doors.drop("inbox/kite.png", PICTURE)

        assert (refused.outcome, refused.code) == (IntakeOutcome.REFUSED, code)
        assert taken == TAKEN


class TestEvents:
    def test_an_event_that_is_delivered_again_is_taken_once(self, doors: Doors) -> None:
        doors.ask(correlation_id="order-1")
        doors.world.clock.advance(60)

        assert doors.ask(correlation_id="order-1") == TAKEN

        assert len(doors.videos) == 1

    def test_an_answer_that_the_bus_did_not_take_is_given_again(self, doors: Doors) -> None:
        doors.fault = EventNotSent("video.rejected")
        with pytest.raises(EventNotSent):
            doors.ask(model="kite-9")
        doors.fault = None

        doors.ask(model="kite-9")

        assert [event.type for event in doors.said] == ["video.rejected"]
        assert doors.videos == []

    @pytest.mark.parametrize(
        ("detail", "code", "param"),
        [
            ({"model": "kite-9"}, "model_not_found", "model"),
            ({"colour": "red"}, "unknown_parameter", "colour"),
            ({"prompt": ""}, "invalid_value", "prompt"),
            ({"input_reference": "inbox"}, "invalid_value", "input_reference"),
            ({"publish": [{**TWITTER, "text": "cut \ud83d"}]}, "invalid_value", "publish[0].text"),
        ],
    )
    def test_what_cannot_be_done_is_rejected(self, doors: Doors, detail: dict[str, Any], code: str, param: str) -> None:
        assert doors.ask(**{"correlation_id": "order-1", **detail}).code == code

        (event,) = doors.said
        assert isinstance(event, VideoRejected)
        assert (event.error_code, event.error_param, event.correlation_id) == (code, param, "order-1")
        assert (event.request_id, event.owner, event.occurred_at) == (EVENT_ID, "the-bus", NOW)
        assert event.error_message
        assert event.model_dump_json().encode()
        assert doors.videos == []

    @pytest.mark.parametrize("correlation_id", [1, "", "a" * 257, ["order-1"], "order \ud83d"])
    def test_a_correlation_id_that_is_no_short_text_is_rejected_without_it(
        self, doors: Doors, correlation_id: JsonValue
    ) -> None:
        doors.ask(correlation_id=correlation_id)

        (event,) = doors.said
        assert isinstance(event, VideoRejected)
        assert (event.error_param, event.correlation_id) == ("correlation_id", None)

    def test_what_the_stack_says_itself_asks_for_nothing(self, doors: Doors) -> None:
        assert doors.ask(source="mediaposter") == IGNORED
        assert (doors.videos, doors.said) == ([], [])


def test_a_turn_of_a_series_is_taken_as_scheduler_tells_of_it(doors: Doors) -> None:
    told = write_schedule_event("morning-kites").replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3")

    assert doors.hand(told.replace("<aws.scheduler.scheduled-time>", "2026-12-01T12:00:00Z")) == TAKEN

    (turn,) = doors.turns
    assert (turn.id, turn.detail.series, turn.detail.scheduled_at) == ("d32c5kddcf5bb8c3", "morning-kites", NOW)


def test_a_message_that_is_no_notice_is_a_fault_that_does_not_repeat_it() -> None:
    secret = "A prompt that nobody is to read"
    body = json.dumps({"detail-type": "video.wanted", "source": "shop", "id": "1", "detail": {"prompt": secret}})

    with pytest.raises(ValidationError) as caught:
        QueuedNotice.model_validate({"body": body})

    assert secret not in str(caught.value)


def test_what_waits_in_the_queue_is_tried_while_its_name_is_remembered() -> None:
    template = read_template(REPOSITORY / "template.yaml")
    queue = template.resources["IntakeQueue"].properties
    rules = [template.resources[name].properties for name in ("InboxRule", "RequestedRule")]

    ages = [target["RetryPolicy"]["MaximumEventAgeInSeconds"] for rule in rules for target in rule["Targets"]]

    assert max(ages) + queue["MessageRetentionPeriod"] <= KEPT_FOR.total_seconds()
    assert queue["VisibilityTimeout"] >= 6 * template.function_timeout_seconds("IntakeFunction")
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
