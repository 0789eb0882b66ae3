"""Know the stack: its settings, clock, clients and secrets, whom it tells and what it starts."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from mediaposter.config import Settings
from mediaposter.errors import ConfigurationError
from mediaposter.observability import count_metric

if TYPE_CHECKING:
    import boto3
    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from mypy_boto3_ssm import SSMClient

    from mediaposter.events import EventBus
    from mediaposter.lambda_calls import RemoteCanceller
    from mediaposter.workflow import BatchExecutions, StepFunctionsWorkflow, TaskTokens


# A call to AWS that hangs must not use up the function's time.
_AWS_CONNECT_TIMEOUT_SECONDS = 3
_AWS_READ_TIMEOUT_SECONDS = 20
_SECRET_MAX_AGE_SECONDS = 300


@cache
def settings() -> Settings:
    """Read the settings of this function."""
    return Settings.from_environment(os.environ)


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def new_video_id() -> str:
    """Make an id that sorts by its time: milliseconds since 1970, then 80 random bits."""
    return f"video_{_new_sortable()}"


def new_batch_id() -> str:
    """Make an id of a batch, which sorts by its time as well."""
    return f"batch_{_new_sortable()}"


def _new_sortable() -> str:
    return f"{int(time.time() * 1000):012x}{uuid.uuid4().hex[:20]}"


@cache
def session() -> boto3.Session:
    """Build what every AWS client is made of."""
    import boto3
    import botocore.config
    import botocore.session

    core = botocore.session.get_session()
    core.set_default_client_config(
        botocore.config.Config(
            connect_timeout=_AWS_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_AWS_READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
    )
    return boto3.Session(botocore_session=core)


@cache
def _secrets() -> SSMProvider:
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    client: SSMClient = session().client("ssm")
    return SSMProvider(boto3_client=client)


def read_secret(name: str) -> str:
    """Read a secret of this stack from Parameter Store, verbatim.

    Raises:
        ConfigurationError: it was never put there.
    """
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    path = f"{settings().require('secrets_path')}/{name}"
    try:
        return str(_secrets().get(path, decrypt=True, max_age=_SECRET_MAX_AGE_SECONDS))
    except GetParameterError as error:
        # Powertools raises its own error from within the handling of the service's.
        if type(error.__context__).__name__ == "ParameterNotFound":
            raise ConfigurationError(
                f"The secret {path} is missing. Put it: "
                f"aws ssm put-parameter --type SecureString --name {path} --value …"
            ) from error
        raise


def public_url() -> str:
    """Read where this stack's API is; no function can be told, for the API is made of the functions."""
    path = f"{settings().require('secrets_path')}/public-url"
    return str(_secrets().get(path, max_age=_SECRET_MAX_AGE_SECONDS))


@cache
def event_bus() -> EventBus:
    """Build the bus of the stack."""
    from mediaposter.events import EventBus

    return EventBus(session().client("events"), settings().require("event_bus"))


@cache
def workflow() -> StepFunctionsWorkflow:
    """Build the state machine's starter."""
    from mediaposter.workflow import StepFunctionsWorkflow

    return StepFunctionsWorkflow(session().client("stepfunctions"), settings().require("state_machine_arn"))


@cache
def batch_executions() -> BatchExecutions:
    """Build the starter of the batches' state machine."""
    from mediaposter.workflow import BatchExecutions

    return BatchExecutions(session().client("stepfunctions"), settings().require("batch_machine_arn"))


@cache
def render_canceller() -> RemoteCanceller:
    """Build what has a render stopped."""
    from mediaposter.lambda_calls import RemoteCanceller

    return RemoteCanceller(session().client("lambda"), settings().require("cancel_render_function"))


@cache
def task_tokens() -> TaskTokens:
    """Build what carries waiting executions on."""
    from mediaposter.workflow import TaskTokens

    return TaskTokens(session().client("stepfunctions"))


def count(name: str) -> None:
    """Count one of what the stack did."""
    count_metric(name, stack=settings().require("stack_name"))
