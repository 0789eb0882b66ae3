"""Starting the state machine, and what its service answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from mediaposter.domain.errors import NotStarted
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.batches import BatchStep
from mediaposter.usecases.steps import CloseInput, Outcome, PostReference, StepResult
from mediaposter.workflow import BatchExecutions, StepFunctionsWorkflow, TaskTokens
from tests.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:VideoStateMachine"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:VideoStateMachine:video_1"
START = {"stateMachineArn": MACHINE, "name": "video_1", "input": json.dumps({"video_id": "video_1", "launch": 0})}


@pytest.fixture
def client() -> SFNClient:
    return boto3.client(
        "stepfunctions", region_name="eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.fixture
def service(client: SFNClient) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def workflow(client: SFNClient) -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(client, MACHINE)


def test_an_execution_is_named_by_its_video_so_that_a_repeat_is_safe(
    workflow: StepFunctionsWorkflow, service: Stubber
) -> None:
    service.add_response("start_execution", {"executionArn": EXECUTION, "startDate": NOW}, START)

    workflow.start("video_1")


def test_an_execution_that_exists_is_left_as_it_is(workflow: StepFunctionsWorkflow, service: Stubber) -> None:
    service.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=START)

    workflow.start("video_1")


@pytest.mark.parametrize("code", ["ThrottlingException", "500"])
def test_a_refused_start_is_not_started(workflow: StepFunctionsWorkflow, service: Stubber, code: str) -> None:
    service.add_client_error("start_execution", code, service_message="a message of the service")

    with pytest.raises(NotStarted, match=r"^The execution of video_1 was not started: \w+\.$"):
        workflow.start("video_1")


def test_a_start_that_cannot_reach_the_service_is_not_started() -> None:
    nowhere = boto3.client(
        "stepfunctions", region_name="eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    # A parameter the service's model refuses fails before anything is sent, as a lost network does, with BotoCoreError.
    with pytest.raises(NotStarted, match="ParamValidationError"):
        StepFunctionsWorkflow(nowhere, MACHINE).start("")


POSTS = [PostReference(video_id="video_1", post_id="twitter#101"), PostReference(video_id="video_1", post_id="x#2")]


def test_an_execution_about_posts_is_told_which(workflow: StepFunctionsWorkflow, service: Stubber) -> None:
    references = [
        {"video_id": "video_1", "post_id": "twitter#101"},
        {"video_id": "video_1", "post_id": "x#2"},
    ]
    start = {
        "stateMachineArn": MACHINE,
        "name": "video_1-launch-3",
        "input": json.dumps({"video_id": "video_1", "launch": 3, "posts": references}),
    }
    service.add_response("start_execution", {"executionArn": EXECUTION, "startDate": NOW}, start)

    workflow.start("video_1", 3, POSTS)


@pytest.mark.parametrize(
    ("name", "launch"),
    [
        ("video_1", 0),
        ("video_1-launch-2", 2),
        # What posted a video again before executions had numbers of one kind: whichever is the last.
        ("video_1-posts-3", None),
    ],
)
def test_the_name_of_an_execution_leads_to_its_video_and_its_number(name: str, launch: int | None) -> None:
    assert CloseInput.model_validate({"execution": name}) == CloseInput(video_id="video_1", launch=launch)


def test_an_execution_that_began_before_may_still_say_which_run_it_is() -> None:
    assert CloseInput.model_validate({"video_id": "video_1", "run": 0, "launch": 1}).launch == 1


DECIDED = StepResult(outcome=Outcome.APPROVED, posts=tuple(POSTS))
SIGNAL = {"taskToken": "token-1", "output": DECIDED.model_dump_json()}


def test_a_decision_carries_an_execution_on(client: SFNClient, service: Stubber) -> None:
    service.add_response("send_task_success", {}, SIGNAL)

    TaskTokens(client).signal("token-1", DECIDED)


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut"])
def test_an_execution_that_does_not_wait_any_more_is_left_as_it_is(
    client: SFNClient, service: Stubber, code: str
) -> None:
    service.add_client_error("send_task_success", code, expected_params=SIGNAL)

    TaskTokens(client).signal("token-1", DECIDED)


def test_a_decision_that_the_service_did_not_take_is_a_fault_and_told_again_by_the_sweep(
    client: SFNClient, service: Stubber
) -> None:
    service.add_client_error("send_task_success", "ThrottlingException")

    with pytest.raises(ClientError):
        TaskTokens(client).signal("token-1", DECIDED)


def test_an_execution_that_runs_is_stopped(workflow: StepFunctionsWorkflow, service: Stubber) -> None:
    stop = {"executionArn": EXECUTION, "error": "Deleted", "cause": "The video was deleted by its owner."}
    service.add_response("stop_execution", {"stopDate": NOW}, stop)

    service.add_client_error("stop_execution", "ExecutionDoesNotExist")

    for _ in range(2):
        workflow.stop("video_1")


@pytest.mark.parametrize(
    ("status", "has_ended"),
    [("RUNNING", False), ("PENDING_REDRIVE", False), ("SUCCEEDED", True), ("TIMED_OUT", True)],
)
def test_an_execution_stands_as_the_service_says(
    workflow: StepFunctionsWorkflow, service: Stubber, status: str, has_ended: bool
) -> None:
    answer = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": status, "startDate": NOW}
    service.add_response("describe_execution", answer, {"executionArn": EXECUTION})

    found = workflow.find_status("video_1")

    assert (found, found is not None and found.has_ended) == (status, has_ended)


def test_of_an_execution_the_service_does_not_know_nothing_is_said(
    workflow: StepFunctionsWorkflow, service: Stubber
) -> None:
    service.add_client_error("describe_execution", "ExecutionDoesNotExist", expected_params={"executionArn": EXECUTION})

    assert workflow.find_status("video_1") is None


def test_a_service_that_cannot_tell_is_a_fault_and_no_no(workflow: StepFunctionsWorkflow, service: Stubber) -> None:
    service.add_client_error("describe_execution", "ThrottlingException")

    with pytest.raises(ClientError):
        workflow.find_status("video_1")


class TestBatches:
    EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:VideoStateMachine:batch_1-take-1"
    START: ClassVar = {
        "stateMachineArn": MACHINE,
        "name": "batch_1-take-1",
        "input": json.dumps({"batch_id": "batch_1", "step": "take"}),
    }

    def test_an_execution_is_named_by_its_batch_and_what_it_does(self, client: SFNClient, service: Stubber) -> None:
        service.add_response("start_execution", {"executionArn": self.EXECUTION, "startDate": NOW}, self.START)
        service.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=self.START)

        for _ in range(2):
            BatchExecutions(client, MACHINE).start("batch_1", BatchStep.TAKE, 1)

    def test_one_that_is_not_confirmed_is_not_started(self, client: SFNClient, service: Stubber) -> None:
        service.add_client_error("start_execution", "ThrottlingException", expected_params=self.START)

        with pytest.raises(NotStarted, match="batch_1"):
            BatchExecutions(client, MACHINE).start("batch_1", BatchStep.TAKE, 1)

    def test_one_stands_as_the_service_says(self, client: SFNClient, service: Stubber) -> None:
        described = {
            "executionArn": self.EXECUTION,
            "stateMachineArn": MACHINE,
            "status": "ABORTED",
            "startDate": NOW,
        }
        service.add_response("describe_execution", described, {"executionArn": self.EXECUTION})
        service.add_client_error("describe_execution", "ExecutionDoesNotExist")
        executions = BatchExecutions(client, MACHINE)

        assert executions.find_status("batch_1", BatchStep.TAKE, 1) is ExecutionStatus.ABORTED
        assert executions.find_status("batch_1", BatchStep.TAKE, 1) is None
