"""Starting the state machine, and what its service answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from mediaposter.errors import NotStarted
from mediaposter.workflow import StepFunctionsWorkflow
from tests.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:VideoStateMachine"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:VideoStateMachine:video_1"
START = {"stateMachineArn": MACHINE, "name": "video_1", "input": json.dumps({"video_id": "video_1"})}


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


@pytest.mark.parametrize("code", ["StateMachineDoesNotExist", "AccessDeniedException", "ThrottlingException", "500"])
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


def test_an_execution_that_ever_ran_exists(workflow: StepFunctionsWorkflow, service: Stubber) -> None:
    answer = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": "SUCCEEDED", "startDate": NOW}
    service.add_response("describe_execution", answer, {"executionArn": EXECUTION})

    assert workflow.exists("video_1") is True


def test_an_execution_the_service_does_not_know_does_not_exist(
    workflow: StepFunctionsWorkflow, service: Stubber
) -> None:
    service.add_client_error("describe_execution", "ExecutionDoesNotExist", expected_params={"executionArn": EXECUTION})

    assert workflow.exists("video_1") is False


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_service_that_cannot_tell_is_a_fault_and_no_no(
    workflow: StepFunctionsWorkflow, service: Stubber, code: str
) -> None:
    service.add_client_error("describe_execution", code)

    with pytest.raises(ClientError):
        workflow.exists("video_1")
