"""The functions behind batches: what each answers to its sample, what it may not say, and what it does not load."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from mediaposter.stores.batch_files import outcomes_key, parts_key
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchStage, BatchStore, CancelScope
from mediaposter.stores.keys import Scope
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
