"""What MiniStack does as AWS does, once sandbox/run_ministack.py has mended it."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import LocalCloud

TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}
BUCKET = "items"
TIMEOUT_SECONDS = 120.0


class Engine:
    """Step Functions of a MiniStack, with a queue and a bucket."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._states = cloud.client("stepfunctions")
        role = cloud.client("iam").create_role(
            RoleName="states", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        )
        self._role_arn = role["Role"]["Arn"]
        self.queue_url = cloud.client("sqs").create_queue(QueueName="asked")["QueueUrl"]
        self.s3 = cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._lambda = cloud.client("lambda")
        self.rules = cloud.client("events")

    def create_function(self, source: str) -> str:
        """Create a function of Python, and give its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("code.py", source)
        return str(
            self._lambda.create_function(
                FunctionName=uuid.uuid4().hex,
                Runtime="python3.13",
                Role=self._role_arn,
                Handler="code.handle",
                Code={"ZipFile": packed.getvalue()},
            )["FunctionArn"]
        )

    def run(self, given: dict[str, Any], **states: dict[str, Any]) -> Any:
        """Run these states, the first one first, and give what the execution puts out."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        machine = self._states.create_state_machine(
            name=uuid.uuid4().hex, definition=json.dumps(definition), roleArn=self._role_arn
        )
        started = self._states.start_execution(
            stateMachineArn=machine["stateMachineArn"], name=uuid.uuid4().hex, input=json.dumps(given)
        )
        until = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < until:
            execution = self._states.describe_execution(executionArn=started["executionArn"])
            if execution["status"] != "RUNNING":
                assert execution["status"] == "SUCCEEDED", execution
                return json.loads(execution["output"])
            time.sleep(0.1)
        raise AssertionError(f"it still runs after {TIMEOUT_SECONDS:.0f} s")

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Build a state that sends its token to a queue, where it stays, and tells what ended the wait."""
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {"QueueUrl": self.queue_url, "MessageBody": "{% $states.context.Task.Token %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "End"}],
            "Next": "End",
            **fields,
        }


END = {"Type": "Succeed"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with LocalCloud(tmp_path_factory.mktemp("cloud"), wait_scale=0.01) as cloud:
        yield Engine(cloud)


def test_an_expression_may_say_how_long_a_task_waits(engine: Engine) -> None:
    began = time.monotonic()

    assert engine.run({"seconds": 1}, Ask=engine.ask(TimeoutSeconds="{% $states.input.seconds %}"), End=END) == (
        "States.Timeout"
    )
    assert 1 <= time.monotonic() - began < TIMEOUT_SECONDS / 2


@pytest.mark.parametrize("seconds", [0, 1.5, "soon"])
def test_a_task_that_may_wait_no_whole_seconds_fails_before_it_begins(engine: Engine, seconds: object) -> None:
    ask = engine.ask(TimeoutSeconds="{% $states.input.seconds %}")

    assert engine.run({"seconds": seconds}, Ask=ask, End=END) == "States.QueryEvaluationError"


def test_the_error_of_a_function_that_has_a_task_token_fails_its_task(engine: Engine) -> None:
    ask = engine.ask(
        Resource="arn:aws:states:::lambda:invoke.waitForTaskToken",
        Arguments={"FunctionName": "gone", "Payload": {"token": "{% $states.context.Task.Token %}"}},
        TimeoutSeconds=600,
    )

    assert engine.run({}, Ask=ask, End=END) == "Lambda.ResourceNotFoundException"


def test_a_distributed_map_reads_what_its_expressions_name_and_puts_out_what_they_say(engine: Engine) -> None:
    engine.s3.put_object(Bucket=BUCKET, Key="of-b/parts.jsonl", Body=b'{"part": 0}\n{"part": 1}\n{"part": 2}\n')
    states = {
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.part = 1 %}", "Next": "Fail"}],
            "Default": "Give",
        },
        "Fail": {"Type": "Fail", "Error": "One"},
        "Give": {"Type": "Pass", "Output": "{% $states.input.part * 10 %}", "End": True},
    }
    each = {
        "Type": "Map",
        "ToleratedFailurePercentage": 100,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {
                "Bucket": BUCKET,
                "Key": "{% 'of-' & $states.context.Execution.Input.batch & '/parts.jsonl' %}",
            },
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Choose",
            "States": states,
        },
        "Assign": {"last": "{% $states.result[2] %}"},
        "Output": {"given": "{% $states.input %}"},
        "Next": "Tell",
    }
    tell = {"Type": "Pass", "Output": {"last": "{% $last %}", "input": "{% $states.input %}"}, "End": True}

    assert engine.run({"batch": "b"}, Each=each, Tell=tell) == {"last": 20, "input": {"given": {"batch": "b"}}}


FAIL_ONCE = """
from pathlib import Path
def handle(event, context):
    folder = Path(event["detail"]["folder"])
    (folder / str(len(list(folder.iterdir())))).touch()
    if len(list(folder.iterdir())) == 1:
        raise RuntimeError("the first time")
"""


def test_a_function_of_a_rule_that_failed_is_called_again(engine: Engine, tmp_path: Path) -> None:
    rule = {"Name": "once", "EventPattern": json.dumps({"source": ["test"]})}
    engine.rules.put_rule(**rule)
    engine.rules.put_targets(Rule="once", Targets=[{"Id": "1", "Arn": engine.create_function(FAIL_ONCE)}])

    event = {"Source": "test", "DetailType": "Told", "Detail": json.dumps({"folder": str(tmp_path)})}
    engine.rules.put_events(Entries=[event])

    until = time.monotonic() + TIMEOUT_SECONDS
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < until, "it was not called again"
        time.sleep(0.1)
