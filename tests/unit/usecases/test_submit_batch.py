"""How the rows of a batch become videos: each separately, each once, with a crash at any time."""

from __future__ import annotations

import base64
import io
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from mediaposter.domain.errors import IdempotencyKeyReused, InvalidRequest, PartiallyDone, RateExceeded
from mediaposter.domain.problem import Problem
from mediaposter.stores.batch_files import outcomes_key, rows_key
from mediaposter.stores.batches import Batch, BatchSource, BatchStage, CancelScope
from mediaposter.stores.keys import Scope
from mediaposter.stores.media import upload_key
from mediaposter.stores.table import Put
from mediaposter.usecases.batches.rows import TAKING_MAX, BatchOutcome
from mediaposter.wire.authorization import decide
from mediaposter.wire.batches import PART_ROWS_MAX, CreateBatchRequest, OutcomeLine, read_row_lines, write_lines
from mediaposter.wire.caller import Caller, read_caller
from mediaposter.wire.request_context import NEW_REQUEST, RequestContext
from mediaposter.wire.rows import ROWS_MAX
from tests.builders import NOW, OWNER, a_caller, a_request
from tests.fakes.batches import BatchWorld
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash

GOOD = {"prompt": "A red kite over the sea"}
BAD = {"prompt": "A red kite over the sea", "size": "1x1"}
UPLOAD_ID = f"upload_{'a' * 32}"
BROKEN_FILES: dict[str, tuple[bytes, str, str | None]] = {
    "zip": (b"PK\x03\x04" + bytes(60), "unsupported_file", None),
    "empty": (b"", "empty_file", None),
    "header alone": (b"prompt\n", "empty_file", None),
    "UTF-16 without a mark": ("prompt\nMöwe\n".encode("utf-16-le"), "invalid_encoding", None),
    "Windows-1252": ("prompt\nA kite\nEine Möwe\n".encode("cp1252"), "invalid_encoding", None),
    "an open quote": (b'prompt,size\nA kite,\n"A boat,\nA hut,\n', "invalid_csv", None),
    "a column": (b"prompt,sizes\nA kite,1\n", "unknown_parameter", "sizes"),
    "no prompt": (b"size\n1280x720\n", "missing_required_parameter", "prompt"),
    "a separator that is none": (b"prompt|size\nA kite|1\n", "invalid_csv", None),
    "too many rows": (b"prompt\n" + b"A kite\n" * (ROWS_MAX + 1), "too_many_rows", None),
}


def open_upload(world: BatchWorld, content: bytes, content_type: str, **templates: str) -> Batch:
    world.files.drop(upload_key(OWNER, UPLOAD_ID), content, content_type=content_type)
    return world.open(CreateBatchRequest(file=UPLOAD_ID, **templates), caller=a_caller(), request_context=NEW_REQUEST)


def change_key(world: BatchWorld, caller: Caller, **changes: Any) -> None:
    api_key = world.keys.find_by_hash(caller.key_hash)
    assert api_key is not None
    world.world.table.commit([Put(api_key.model_copy(update=changes))])


@pytest.fixture
def world() -> BatchWorld:
    return BatchWorld()


class TestOpen:
    def test_another_request_of_the_same_key_is_refused(self, world: BatchWorld) -> None:
        world.create(GOOD, request_context=RequestContext(idempotency_key="mine"))

        with pytest.raises(IdempotencyKeyReused):
            world.create(GOOD, GOOD, request_context=RequestContext(idempotency_key="mine"))

    def test_two_requests_of_one_key_at_the_same_time_are_one_batch(self, world: BatchWorld) -> None:
        request_context, others = RequestContext(idempotency_key="mine"), []
        world.world.table.meanwhile = lambda: others.append(world.create(GOOD, request_context=request_context))

        batch = world.create(GOOD, request_context=request_context)

        assert [batch] == others

    @pytest.mark.parametrize(("content_type", "file_format"), [("text/csv", "csv"), ("application/jsonl", "jsonl")])
    def test_an_upload_is_read_as_what_it_was_put_as(
        self, world: BatchWorld, content_type: str, file_format: str
    ) -> None:
        batch = open_upload(world, b"", content_type)

        assert batch.source.model_dump() == {
            "key": upload_key(OWNER, UPLOAD_ID),
            "version_id": "v1",
            "format": file_format,
            "answer_stem": None,
            "templates": {},
        }

    def test_the_columns_of_each_row_fill_the_templates_of_the_batch(self, world: BatchWorld) -> None:
        templates = {"template": "A {product} on {place}", "text_template": "{product}!", "title_template": "New"}

        batch = open_upload(world, b"product,place\nkite,Mars\nboat,\n", "text/csv", **templates)
        world.take(batch.id)

        prompts = [item["prompt"] for item in world.world.table.items.values() if item["sk"] == "VIDEO"]
        assert prompts == ["A kite on Mars"]
        assert world.batches.get_unchecked(batch.id).refused == 1

    def test_another_template_is_another_request(self) -> None:
        rows = [{"product": "kite"}]
        templates: list[dict[str, Any]] = [{}, {"template": "A {product}"}, {"text_template": "A {product}"}]

        assert len({CreateBatchRequest(rows=rows, **each).fingerprint() for each in templates}) == 3

    def test_an_upload_that_is_not_there_is_refused(self, world: BatchWorld) -> None:
        with pytest.raises(InvalidRequest, match="PUT the file") as caught:
            world.open(CreateBatchRequest(file=UPLOAD_ID), caller=a_caller(), request_context=NEW_REQUEST)

        assert caught.value.param == "file"

    def test_a_picture_is_no_file_of_requests(self, world: BatchWorld) -> None:
        with pytest.raises(InvalidRequest, match="image/png"):
            open_upload(world, b"", "image/png")


class TestRows:
    def test_only_a_row_that_is_submitted_waits_for_single_requests(self, world: BatchWorld) -> None:
        world.begin(GOOD, "no object", GOOD)

        assert world.world.rests == 2

    def test_each_good_row_is_a_video_and_each_bad_one_says_why(self, world: BatchWorld) -> None:
        batch = world.create({**GOOD, "id": "a"}, {**BAD, "id": "b"}, "no object", {**GOOD, "id": "a"}, {**GOOD})

        taken = world.take(batch.id)

        outcomes = world.list_outcomes(batch.id)
        assert [outcome.get("video_id") for outcome in outcomes] == ["video_001", None, None, None, "video_002"]
        errors = [(outcome["error"]["code"], outcome["error"].get("param")) for outcome in outcomes[1:4]]
        assert errors == [("invalid_value", "size"), ("invalid_json", None), ("duplicate_id", "id")]
        assert (taken.stage, taken.rows, taken.refused) == (BatchStage.RUNNING, 5, 3)
        assert world.list_videos(batch.id) == ["video_001", "video_002"]

    def test_a_row_that_is_much_too_large_is_refused_by_itself(self, world: BatchWorld) -> None:
        batch_id = world.begin(*[GOOD] * 16, {"prompt": "a" * 300 * 1024}, GOOD)

        outcomes = world.list_outcomes(batch_id)
        assert [outcome["row"] for outcome in outcomes if "error" in outcome] == [17]
        assert outcomes[16]["error"]["code"] == "row_too_large"

    def test_rows_are_taken_in_parts(self, world: BatchWorld) -> None:
        batch_id = world.begin(*[GOOD] * (2 * PART_ROWS_MAX + 1))

        assert [part.part for part in world.list_parts(batch_id)] == [0, 1, 2]
        assert [outcome["row"] for outcome in world.list_outcomes(batch_id)] == list(range(1, 2 * PART_ROWS_MAX + 2))
        assert len(world.list_videos(batch_id)) == 2 * PART_ROWS_MAX + 1

    def test_no_word_of_a_row_is_in_a_part(self, world: BatchWorld) -> None:
        batch_id = world.begin({"prompt": "A secret"})

        assert "secret" not in world.files.text(f"batches/{batch_id}/parts.jsonl")

    @pytest.mark.parametrize(
        "row",
        [
            {**GOOD, "metadata": {"campaign": "Möwe 🪁"}, "fallback_models": [], "provider_options": {"guidance": 0.5}},
            {**GOOD, "input_reference": {"image_url": "https://pictures.example/kite.png"}},
            {**GOOD, "input_reference": UPLOAD_ID},
            {
                **GOOD,
                "publish": [
                    {"platform": "twitter", "account_id": "101", "scheduled_time": "2027-01-01T10:00:00+01:00"},
                    {"platform": "youtube", "account_id": "202", "title": "A kite", "privacy_status": "unlisted"},
                ],
                "approval": "required",
                "approval_hours": 48,
                "stagger_minutes": 5,
            },
        ],
    )
    def test_a_row_is_read_back_as_the_request_that_it_was(self, world: BatchWorld, row: dict[str, Any]) -> None:
        batch = world.create(row)

        world.read_rows(batch.id)

        (line,) = read_row_lines(world.files.read(rows_key(batch.id)))
        assert line.error is None
        assert line.request == a_request(**row)
        assert line.request.fingerprint() == a_request(**row).fingerprint()

    def test_a_picture_in_a_row_is_kept_as_an_upload_that_is_the_same_each_time(self, world: BatchWorld) -> None:
        drawn = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(drawn, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}"
        batch = world.create({**GOOD, "input_reference": url})

        world.read_rows(batch.id)
        first = world.files.read(rows_key(batch.id))
        (line,) = read_row_lines(first)

        assert line.request is not None
        upload_id = line.request.model_dump()["input_reference"]["upload_id"]
        assert world.world.media.objects == {f"uploads/{OWNER}/{upload_id}": drawn.getvalue()}


class TestRate:
    def test_a_batch_counts_as_a_request_in_the_minute_of_its_key(self, world: BatchWorld) -> None:
        caller = a_caller(rate_per_minute=2)
        world.create(GOOD, caller=caller)
        world.create(GOOD, caller=caller)

        with pytest.raises(RateExceeded, match=r"2 videos a minute.*Nothing was recorded"):
            world.create(GOOD, caller=caller)

        assert len(world.workflow.executions) == 2

    def test_a_batch_that_is_asked_for_again_is_answered_though_its_minute_is_full(self, world: BatchWorld) -> None:
        caller, request_context = a_caller(rate_per_minute=1), RequestContext(idempotency_key="mine")

        first, second = (world.create(GOOD, caller=caller, request_context=request_context) for _ in range(2))

        assert first.id == second.id

    @pytest.mark.parametrize(("rate", "rows_a_minute"), [(1, 1), (2, 1), (10, 9), (60, 54)])
    def test_no_minute_takes_more_rows_than_its_share(self, rate: int, rows_a_minute: int) -> None:
        world = BatchWorld()
        batch = world.create(*[GOOD] * (2 * rows_a_minute + 1), caller=a_caller(rate_per_minute=rate))

        assert world.take(batch.id).refused == 0

        videos = [world.world.video_store.get_unchecked(video_id) for video_id in world.list_videos(batch.id)]
        minutes = Counter(video.created_at.replace(second=0) for video in videos)
        assert len(videos) == 2 * rows_a_minute + 1
        assert max(minutes.values()) <= rows_a_minute

    def test_a_part_whose_worker_dies_before_it_says_so_makes_no_row_twice(self) -> None:
        world = BatchWorld(effects=Effects(never_taken="put 00000.jsonl", deaths_max=1))
        part = world.read_part(*[GOOD] * 3, caller=a_caller(rate_per_minute=2))
        with pytest.raises(SimulatedCrash):
            world.submit_chunk(part)

        world.take_in_time(part)

        assert len(world.list_videos(part.batch_id)) == 3

    def test_a_batch_that_its_key_cannot_take_in_its_time_is_refused_as_a_whole(self, world: BatchWorld) -> None:
        # One a minute is 1,200 in the twenty hours of a batch.
        batch = world.create(*[GOOD] * 1_201, caller=a_caller(rate_per_minute=1))

        ended = world.take(batch.id)

        assert ended.failure is not None
        assert ended.failure.code == "too_many_rows"
        assert "1,201 rows" in ended.failure.message
        assert "1,200 in the 20 hours" in ended.failure.message
        assert world.list_videos(batch.id) == []

    def test_rows_that_others_leave_no_room_are_refused_when_the_batch_has_to_end(self, world: BatchWorld) -> None:
        caller = a_caller(rate_per_minute=1)
        part = world.read_part(GOOD, caller=caller)
        world.world.clock.advance(TAKING_MAX.total_seconds())
        world.world.submit(a_request(), caller=caller)

        world.submit_chunk(part)
        world.close(part.batch_id)

        (outcome,) = world.list_outcomes(part.batch_id)
        assert outcome["error"]["code"] == "rate_limit_exceeded"
        assert "Nothing was recorded" in outcome["error"]["message"]
        assert world.batches.get_unchecked(part.batch_id).refused == 1


class TestKeys:
    @staticmethod
    def make_caller(world: BatchWorld, **fields: Any) -> Caller:
        """Make a key, and give who calls with it."""
        scopes = (Scope.CREATE, Scope.PUBLISH)
        _, api_key = world.keys.create("laptop", **{"scopes": scopes, "now": NOW, "owner": OWNER, **fields})
        context = decide(api_key, "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/POST/batches").context
        assert context is not None
        return read_caller(context.model_dump())

    def test_of_a_key_that_was_revoked_no_further_row_is_taken(self, world: BatchWorld) -> None:
        caller = self.make_caller(world)
        part = world.read_part(GOOD, GOOD, "no object", caller=caller)
        world.world.workflow.on_start = lambda: world.keys.revoke(caller.key, now=NOW)

        world.submit_chunk(part)

        first, second, third = world.list_outcomes(part.batch_id)
        assert first["video_id"]
        assert second["error"]["code"] == "invalid_api_key"
        assert "was revoked" in second["error"]["message"]
        assert third["error"]["code"] == "invalid_json"

    def test_a_key_that_may_create_nothing_by_now_takes_no_row(self, world: BatchWorld) -> None:
        caller = self.make_caller(world)
        batch = world.create(GOOD, caller=caller)
        change_key(world, caller, scopes=(Scope.PUBLISH,))

        world.take(batch.id)

        (outcome,) = world.list_outcomes(batch.id)
        assert outcome["error"]["code"] == "insufficient_scope"
        assert "the scope create" in outcome["error"]["message"]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"scopes": (Scope.CREATE,)}, "insufficient_scope"),
            ({"accounts": ("threads:7",)}, "account_not_allowed"),
            ({"daily_budget_micros": 1}, "budget_exceeded"),
        ],
    )
    def test_a_key_that_may_do_less_by_now_does_less(
        self, world: BatchWorld, changes: dict[str, Any], code: str
    ) -> None:
        caller = self.make_caller(world)
        batch = world.create({**GOOD, "publish": [{"platform": "twitter", "account_id": "101"}]}, caller=caller)
        change_key(world, caller, **changes)

        world.take(batch.id)

        (outcome,) = world.list_outcomes(batch.id)
        assert outcome["error"]["code"] == code


class TestFiles:
    @pytest.mark.parametrize("what", BROKEN_FILES)
    def test_what_is_wrong_with_a_file_ends_the_batch_and_is_said_beside_it(self, world: BatchWorld, what: str) -> None:
        content, code, param = BROKEN_FILES[what]

        batch = world.take(world.drop(content).id)

        assert (batch.stage, world.list_videos(batch.id)) == (BatchStage.DONE, [])
        assert batch.failure is not None
        assert (batch.failure.code, batch.failure.param) == (code, param)
        answer = world.files.json("outbox/kites.result.json")
        assert (answer["error"]["code"], answer["error"]["param"], answer["rows"]) == (code, param, [])
        assert [(event.type, event.error_code) for event in world.said] == [("batch.failed", code)]

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbfid,prompt\r\na,A kite\r\nb,\r\n",
            b"id,prompt\na,A kite\nb,\n",
            b'"id","prompt"\r\n"a","A\r\nkite"\r\n"b",""',
        ],
        ids=["BOM and CRLF", "LF", "quoted"],
    )
    def test_each_row_of_a_dropped_file_is_answered_by_its_line(self, world: BatchWorld, content: bytes) -> None:
        batch = world.take(world.drop(content).id)

        answer = world.files.json("outbox/kites.result.json")
        assert answer["request"] == {"key": "inbox/kites.csv", "version_id": "v1"}
        assert answer["batch"] == {"id": batch.id, "rows": 2, "refused": 1}
        first, second = answer["rows"]
        assert (first["row_id"], first["line"], first["video_id"], first["error"]) == ("a", 2, "video_001", None)
        assert (second["row_id"], second["video_id"]) == ("b", None)
        assert second["error"]["param"] == "prompt"

    def test_of_a_sheet_with_a_formula_that_failed_the_other_rows_become_videos(self, world: BatchWorld) -> None:
        content = "id;prompt;seconds\r\na;Eine Möwe;4,0\r\nb;#N/A;4\r\nc;Ein Boot\r\n;;\r\n".encode("utf-8-sig")

        batch = world.take(world.drop(content).id)

        rows = world.files.json("outbox/kites.result.json")["rows"]
        assert [(row["row_id"], row["line"], row["error"] and row["error"]["param"]) for row in rows] == [
            ("a", 2, None),
            ("b", 3, "prompt"),
            ("c", 4, None),
        ]
        assert [world.world.video_store.get_unchecked(video_id).prompt for video_id in world.list_videos(batch.id)] == [
            "Eine Möwe",
            "Ein Boot",
        ]

    def test_half_of_an_emoji_is_refused_of_its_row_and_not_of_its_part(self, world: BatchWorld) -> None:
        cut = {**GOOD, "id": "cut", "text": "cut \ud83d", "publish": [{"platform": "twitter", "account_id": "101"}]}

        batch = world.complete(*[GOOD] * 20, cut)

        results = world.list_results(batch.id)
        assert [row["status"] for row in results] == ["completed"] * 20 + ["refused"]
        assert (results[-1]["id"], results[-1]["error"]["param"]) == ("cut", "text")

    def test_a_file_that_is_gone_ends_the_batch(self, world: BatchWorld) -> None:
        batch = world.drop(b"prompt\nA kite\n")
        del world.files.versions["inbox/kites.csv"]

        ended = world.take(batch.id)

        assert ended.failure is not None
        assert ended.failure.code == "file_not_found"


class TestBusy:
    def test_rows_that_cannot_be_taken_now_are_taken_by_another_try_and_the_others_stand(
        self, world: BatchWorld
    ) -> None:
        part = world.read_part(GOOD, BAD, GOOD)
        world.world.workflow.refuses = True

        with pytest.raises(PartiallyDone, match="2 of 3"):
            world.submit_chunk(part)
        told = [outcome["error"]["code"] for outcome in world.list_outcomes(part.batch_id)]
        world.world.workflow.refuses = False
        world.submit_chunk(part)

        assert told == ["not_taken", "invalid_value", "not_taken"]
        videos = [outcome.get("video_id") for outcome in world.list_outcomes(part.batch_id)]
        assert videos == ["video_003", None, "video_004"]

    def test_a_row_that_an_earlier_version_put_off_in_other_words_is_taken(self, world: BatchWorld) -> None:
        part = world.read_part(GOOD)
        earlier = Problem(code="rate_limit_exceeded", message="No minute had room.")
        outcome = OutcomeLine(row=1, line=1, error=earlier)
        world.files.put(outcomes_key(part.batch_id, part.part), write_lines([outcome]))

        world.submit_chunk(part)

        assert [outcome.get("video_id") for outcome in world.list_outcomes(part.batch_id)] == ["video_001"]

    def test_what_could_never_be_started_counts_as_ended(self, world: BatchWorld) -> None:
        part = world.read_part(GOOD)
        world.world.workflow.refuses = True
        with suppress(PartiallyDone):
            world.submit_chunk(part)

        world.close(part.batch_id)

        totals = world.batches.count(part.batch_id)
        assert (totals.videos, totals.settled) == (1, 1)
        assert world.batches.get_unchecked(part.batch_id).refused == 1


class TestCancelled:
    def test_rows_that_are_not_taken_yet_are_refused(self, world: BatchWorld) -> None:
        part = world.read_part(GOOD, GOOD)
        world.ask_to_cancel(part.batch_id)

        world.submit_chunk(part)

        assert [outcome["error"]["code"] for outcome in world.list_outcomes(part.batch_id)] == ["cancelled"] * 2
        assert world.list_videos(part.batch_id) == []

    def test_its_videos_are_cancelled_when_all_rows_were_looked_at(self, world: BatchWorld) -> None:
        part = world.read_part(GOOD)
        world.submit_chunk(part)
        world.ask_to_cancel(part.batch_id)

        assert world.finish_submitting(part.batch_id).outcome is BatchOutcome.CANCELLED
        assert world.batches.get_unchecked(part.batch_id).cancel is CancelScope.WAITING


def list_crashes() -> list[Crash]:
    """List every moment at which the steps that take four rows can die, and those of the steps between."""
    world = BatchWorld()
    _take_until_done(world, _drop(world))
    return [Crash(effect, moment) for effect in range(1, len(world.effects.names) + 1) for moment in Moment]


def _drop(world: BatchWorld) -> str:
    """Drop a file, and report it until it was taken; give the id of its batch."""
    put = world.files.drop("inbox/kites.csv", b"id,prompt,size\na,A kite,\nb,A kite,1x1\nc,A kite,\nd,A kite,\n")
    source = BatchSource(key=put.key, version_id=put.version_id, format="csv", answer_stem="outbox/kites")
    for _ in range(3):
        with suppress(SimulatedCrash):
            return world.open.take_file(
                source, caller=a_caller(), request_context=RequestContext(idempotency_key="inbox:kites:v1")
            ).id
    raise AssertionError("it never ends well")


def _take_until_done(world: BatchWorld, batch_id: str) -> None:
    """Take each step until it ends well, as the machine does."""

    def insist(step: Any) -> Any:
        for _ in range(4):
            with suppress(SimulatedCrash):
                return step()
        raise AssertionError("it never ends well")

    insist(lambda: world.read_rows(batch_id))
    for part in world.list_parts(batch_id):
        insist(lambda part=part: world.submit_chunk(part))
    insist(lambda: world.finish_submitting(batch_id))


@pytest.mark.parametrize("crash", list_crashes(), ids=lambda crash: f"{crash.moment} {crash.effect}")
def test_each_row_is_one_video_whenever_a_step_dies(crash: Crash) -> None:
    world = BatchWorld(effects=Effects(crash))

    batch_id = _drop(world)
    _take_until_done(world, batch_id)

    assert len(world.list_videos(batch_id)) == 3
    outcomes = world.list_outcomes(batch_id)
    assert [outcome["row"] for outcome in outcomes] == [1, 2, 3, 4]
    told = [outcome.get("video_id") for outcome in outcomes]
    assert told[1] is None
    assert sorted(filter(None, told)) == world.list_videos(batch_id)
    answer = world.files.json("outbox/kites.result.json")
    assert [row["video_id"] for row in answer["rows"]] == told
    assert world.batches.get_unchecked(batch_id).refused == 1
    assert sorted(world.world.workflow.executions) == world.list_videos(batch_id)


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_rows_of_a_part_that_is_never_reported_are_found_by_their_names(deaths: int) -> None:
    world = BatchWorld(effects=Effects(never_taken="put 00000.jsonl", deaths_max=deaths))
    part = world.read_part(GOOD, {}, GOOD)
    for _ in range(deaths):
        with suppress(SimulatedCrash):
            world.submit_chunk(part)

    world.finish_submitting(part.batch_id)

    outcomes = world.list_outcomes(part.batch_id)
    assert [outcome.get("video_id") for outcome in outcomes] == ["video_001", None, "video_002"]
    assert outcomes[1]["error"]["code"] == "missing_required_parameter"


def test_a_batch_that_could_not_be_read_for_a_fault_of_ours_says_so(world: BatchWorld) -> None:
    batch = world.drop(b"prompt\nA kite\n")

    assert world.finish_submitting(batch.id).outcome is BatchOutcome.OVER

    ended = world.batches.get_unchecked(batch.id)
    assert ended.failure is not None
    assert ended.failure.code == "internal_error"
    assert world.files.json("outbox/kites.result.json")["error"]["code"] == "internal_error"


def test_a_try_that_ends_after_the_rows_were_counted_does_not_write_over_what_became_of_them(world: BatchWorld) -> None:
    part = world.read_part(GOOD, GOOD)

    def another_try_is_faster() -> None:
        world.submit_chunk(part)
        world.finish_submitting(part.batch_id)
        world.world.workflow.refuses = True

    world.world.table.meanwhile = another_try_is_faster
    world.submit_chunk(part)

    assert len(world.list_videos(part.batch_id)) == 2
    assert sorted(outcome["video_id"] for outcome in world.list_outcomes(part.batch_id)) == world.list_videos(
        part.batch_id
    )
