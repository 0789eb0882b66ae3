"""The functions behind batches: what each answers to its sample, what it may not say, and what it does not load."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest

from mediaposter.stores.batch_files import outcomes_key, parts_key, results_key
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchStage, BatchStore, CancelScope
from mediaposter.stores.keys import Scope
from mediaposter.stores.video_stages import Stage
from tests.builders import NOW, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import BUCKET, Event, Stack, read_event

_PROMPT = "A red kite over the sea at dawn, filmed from a cliff"
_OWNER = "key_5f0c1d2e3a4b5c6d"
_BATCH_ID = "batch_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
_STEPS = ("readrows", "submitchunk", "finishsubmitting", "writeresults", "cancelpart")


@pytest.fixture(autouse=True)
def bucket(stack: Stack) -> None:
    stack.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    stack.client("ssm").put_parameter(
        Name="/mediaposter/mediaposter-test/public-url", Value="https://api.example/v1", Type="String"
    )


def body(answer: Event) -> Any:
    return json.loads(answer["body"])


def a_batch(**changes: Any) -> Batch:
    caller = BatchCaller(owner=_OWNER, scopes=frozenset({Scope.CREATE, Scope.PUBLISH}))
    source = BatchSource(key="inbox/kites.jsonl", version_id="v1", format="jsonl", answer_stem="outbox/kites")
    fields = {"id": _BATCH_ID, "caller": caller, "source": source, "created_at": NOW, "updated_at": NOW}
    return Batch.model_validate({**fields, **changes})


def put(stack: Stack, key: str, content: bytes) -> str:
    return str(stack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)["VersionId"])


def read(stack: Stack, key: str) -> str:
    content: bytes = stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content.decode()


def video_store(stack: Stack) -> BatchStore:
    return BatchStore(stack.table)


class TestRoutes:
    def test_rows_are_answered_with_the_batch_that_they_became(self, stack: Stack, invoke: Invoke) -> None:
        answer = invoke("ApiFunction", read_event("batches-create"))

        assert answer["statusCode"] == 200
        written = body(answer)
        assert (written["object"], written["status"], written["results"]) == ("batch", "validating", None)
        batch = video_store(stack).get_unchecked(written["id"])
        assert batch.caller.owner == _OWNER
        assert [json.loads(line)["id"] for line in read(stack, batch.source.key).splitlines()] == ["first", "second"]

    def test_an_idempotency_key_is_honoured(self, invoke: Invoke) -> None:
        event = read_event("batches-create")
        event["headers"]["Idempotency-Key"] = "mine"
        event["multiValueHeaders"]["Idempotency-Key"] = ["mine"]

        first, second = (body(invoke("ApiFunction", event))["id"] for _ in range(2))

        assert first == second

    def test_what_is_no_batch_is_refused(self, stack: Stack, invoke: Invoke) -> None:
        answer = invoke("ApiFunction", {**read_event("batches-create"), "body": json.dumps({"rows": []})})

        assert answer["statusCode"] == 400
        assert stack.client("dynamodb").scan(TableName="library")["Count"] == 0

    def test_a_batch_is_answered_with_its_counts_and_its_links(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(a_batch(stage=BatchStage.DONE, rows=3, refused=1, completed=2, ended_at=NOW))

        written = body(invoke("ApiFunction", read_event("batches-retrieve")))

        assert (written["status"], written["ended_at"]) == ("completed", int(NOW.timestamp()))
        assert written["request_counts"]["completed"] == 2
        assert written["results"] == {
            "jsonl": f"https://api.example/v1/batches/{_BATCH_ID}/results?format=jsonl",
            "csv": f"https://api.example/v1/batches/{_BATCH_ID}/results?format=csv",
        }

    def test_a_batch_that_runs_counts_its_videos_by_the_index(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(
            a_batch(stage=BatchStage.RUNNING, rows=2),
            a_video(id="video_1", owner=_OWNER, batch_id=_BATCH_ID),
            a_video(id="video_2", owner=_OWNER, batch_id=_BATCH_ID, stage=Stage.RENDERING),
        )

        counts = body(invoke("ApiFunction", read_event("batches-retrieve")))["request_counts"]

        assert (counts["total"], counts["queued"], counts["in_progress"]) == (2, 1, 1)

    def test_batches_are_listed_and_are_no_videos(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(a_batch())

        listed = body(invoke("ApiFunction", read_event("batches-list")))

        assert [batch["id"] for batch in listed["data"]] == [listed["first_id"]] == [_BATCH_ID]
        videos = {**read_event("library-retrieve"), "resource": "/videos", "path": "/videos", "pathParameters": None}
        assert body(invoke("ApiFunction", videos))["data"] == []

    def test_results_are_a_redirect_to_a_signed_url(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(a_batch(stage=BatchStage.DONE, ended_at=NOW))

        answer = invoke("ApiFunction", read_event("batches-results"))

        assert answer["statusCode"] == 302
        url = httpx.URL(answer["multiValueHeaders"]["Location"][0])
        assert url.path.endswith(results_key(_BATCH_ID, "csv"))
        assert "X-Amz-Signature" in url.params

    @pytest.mark.parametrize("sample", ["batches-retrieve", "batches-results", "batches-cancel"])
    def test_another_owners_batch_is_not_found(self, stack: Stack, invoke: Invoke, sample: str) -> None:
        caller = BatchCaller(owner="somebody", scopes=frozenset())
        stack.keep(a_batch(caller=caller, stage=BatchStage.DONE))

        answer = invoke("ApiFunction", read_event(sample))

        assert (answer["statusCode"], body(answer)["error"]["message"]) == (404, "There is no such batch.")

    @pytest.mark.parametrize(("sent", "scope"), [({"running": True}, "running"), (None, "waiting")])
    def test_a_batch_is_cancelled(self, stack: Stack, invoke: Invoke, sent: Any, scope: str) -> None:
        stack.keep(a_batch())

        answer = invoke("ApiFunction", {**read_event("batches-cancel"), "body": sent and json.dumps(sent)})

        assert (answer["statusCode"], body(answer)["status"]) == (200, "cancelling")
        assert video_store(stack).get_unchecked(_BATCH_ID).cancel == CancelScope(scope)

    def test_who_may_not_create_may_not_cancel(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(a_batch())
        event = read_event("batches-cancel")
        event["requestContext"]["authorizer"]["scopes"] = "read"

        assert invoke("ApiFunction", event)["statusCode"] == 403

    def test_no_prompt_is_logged(self, invoke: Invoke, log: io.StringIO) -> None:
        invoke("ApiFunction", read_event("batches-create"))

        assert _PROMPT not in log.getvalue()


class TestSteps:
    def test_a_batch_goes_through_its_steps_to_the_results(
        self, stack: Stack, invoke: Invoke, log: io.StringIO
    ) -> None:
        rows = b'{"id": "a", "prompt": "%s"}\n{"id": "b"}\n' % _PROMPT.encode()
        version_id = put(stack, "inbox/kites.jsonl", rows)
        stack.keep(a_batch(source=a_batch().source.model_copy(update={"version_id": version_id})))

        assert invoke("RunBatchStepFunction", read_event("readrows")) == {"outcome": "read"}
        (part,) = map(json.loads, read(stack, parts_key(_BATCH_ID)).splitlines())
        # As the machine gives it on: with the name of the step.
        assert {"step", *part} == read_event("submitchunk").keys()
        assert invoke("RunBatchStepFunction", {"step": "submit_chunk", **part}) is None
        assert invoke("RunBatchStepFunction", read_event("finishsubmitting")) == {"outcome": "taken"}
        ((video_id, _),) = stack.executions()
        answer = json.loads(read(stack, "outbox/kites.result.json"))
        assert [row["video_id"] for row in answer["rows"]] == [video_id, None]
        assert stack.video(video_id).batch_id == _BATCH_ID

        video_store(stack).advance(_BATCH_ID, BatchStage.WRITING, now=NOW)
        assert invoke("RunBatchStepFunction", read_event("writeresults")) is None
        results = list(map(json.loads, read(stack, "outbox/kites.results.jsonl").splitlines()))
        assert [row["status"] for row in results] == ["queued", "refused"]
        assert video_store(stack).get_unchecked(_BATCH_ID).stage is BatchStage.DONE
        assert _PROMPT not in log.getvalue()

    def test_a_cancelled_part_ends_its_videos(self, stack: Stack, invoke: Invoke) -> None:
        video = a_video(id="video_1", owner=_OWNER, batch_id=_BATCH_ID)
        stack.keep(a_batch(stage=BatchStage.RUNNING, cancel=CancelScope.WAITING), video)
        put(stack, outcomes_key(_BATCH_ID, 0), b'{"row": 1, "line": 1, "video_id": "video_1"}\n')

        assert invoke("RunBatchStepFunction", read_event("cancelpart")) is None

        failure = stack.video("video_1").failure
        assert failure is not None
        assert failure.code == "cancelled"

    @pytest.mark.parametrize("step", _STEPS)
    def test_a_fault_is_raised_so_that_the_machine_knows(self, stack: Stack, invoke: Invoke, step: str) -> None:
        with pytest.raises(Exception, match=r"There is no|NoSuch"):
            invoke("RunBatchStepFunction", read_event(step))


def test_a_dropped_file_of_rows_becomes_a_batch(stack: Stack, invoke: Invoke) -> None:
    event = read_event("intake-batch")
    (record,) = event["Records"]
    notice = json.loads(record["body"])
    notice["detail"]["object"]["version-id"] = put(stack, "inbox/autumn/kites.csv", b"prompt\nA kite\n")
    record["body"] = json.dumps(notice)

    invoke("IntakeFunction", event)

    (found,) = [
        item for item in stack.client("dynamodb").scan(TableName="library")["Items"] if item["sk"]["S"] == "BATCH"
    ]
    assert found["source"]["M"]["answer_stem"]["S"] == "outbox/autumn/kites"
