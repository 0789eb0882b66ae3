"""Supply a stack on AWS with its edges: clients, secrets and names, each built when it is first asked for."""

from __future__ import annotations

import os
import time
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.observability import count_metric, logger
from mediaposter.shared_edges import SharedEdges
from mediaposter.stack import Stack

if TYPE_CHECKING:
    import boto3
    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

    from mediaposter.events import AnyAnswer, EventBus, QueuedKind, SeriesExhausted
    from mediaposter.lambda_calls import RemoteCanceller
    from mediaposter.stores.dynamodb_table import LibraryTable
    from mediaposter.stores.media import MediaStore
    from mediaposter.stores.s3_bucket import S3Bucket
    from mediaposter.usecases.scheduled.approval_notices import PostDocument
    from mediaposter.usecases.scheduled.deliver_webhook import PostJson
    from mediaposter.usecases.steps import RenderToCancel
    from mediaposter.workflow import BatchExecutions, StepFunctionsWorkflow, TaskTokens


# A call to AWS that hangs must not use up the function's time.
_AWS_CONNECT_TIMEOUT_SECONDS = 3
_AWS_READ_TIMEOUT_SECONDS = 20
_SECRET_MAX_AGE_SECONDS = 300
# ProbeVideoFunction may run 120 s.
_PROBE_READ_TIMEOUT_SECONDS = 125
# In each of the five parts that are submitted at once: some 15 rows a second in all.
ROW_REST_SECONDS = 0.3


class AwsEdges(SharedEdges):
    """The edges of a stack that `template.yaml` made, as one of its functions sees it."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is built or asked yet."""
        super().__init__(settings, open_bucket=self._build_bucket, read_secret=self.read_secret)

    @cached_property
    def table(self) -> LibraryTable:
        """The table of all records."""
        from mediaposter.stores.dynamodb_table import LibraryTable

        return LibraryTable(_session().client("dynamodb"), self._settings.require("library_table"))

    @cached_property
    def inspected_media(self) -> MediaStore:
        """The videos, each decoded by ProbeVideoFunction."""
        from botocore.config import Config

        from mediaposter.lambda_calls import RemoteInspector
        from mediaposter.stores.media import MediaStore

        # ProbeVideoFunction answers within its own timeout, or Lambda reports that it did not.
        client = _session().client("lambda", config=Config(read_timeout=_PROBE_READ_TIMEOUT_SECONDS))
        inspector = RemoteInspector(client, self._settings.require("probe_function"))
        return MediaStore(self._bucket, inspect=inspector)

    @cached_property
    def workflow(self) -> StepFunctionsWorkflow:
        """The executions of videos in Step Functions."""
        from mediaposter.workflow import StepFunctionsWorkflow

        return StepFunctionsWorkflow(_session().client("stepfunctions"), self._settings.require("state_machine_arn"))

    @cached_property
    def batch_workflow(self) -> BatchExecutions:
        """The executions of batches."""
        from mediaposter.workflow import BatchExecutions

        return BatchExecutions(_session().client("stepfunctions"), self._settings.require("batch_machine_arn"))

    @cached_property
    def signaller(self) -> TaskTokens:
        """Resumes executions that wait for a task token."""
        from mediaposter.workflow import TaskTokens

        return TaskTokens(_session().client("stepfunctions"))

    def send_event(self, event: QueuedKind | AnyAnswer | SeriesExhausted) -> None:
        """Send an event to the bus."""
        self._event_bus.send(event)

    def cancel_render(self, render: RenderToCancel) -> None:
        """Hand a render to CancelRenderFunction."""
        self._canceller(render)

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        """Let the webhook queue deliver a message again after `seconds`."""
        _session().client("sqs").change_message_visibility(
            QueueUrl=self._settings.require("webhook_queue_url"),
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=seconds,
        )

    @cached_property
    def post_json(self) -> PostJson:
        """Posts to a webhook's receiver: only to public addresses, unless the stack allows others."""
        from mediaposter.http.outbound import post_json
        from mediaposter.usecases.scheduled.deliver_webhook import DELIVERY_TIMEOUT_SECONDS

        return partial(
            post_json,
            timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
            is_anywhere_allowed=self._settings.webhook_transport == "any",
        )

    @cached_property
    def post_document(self) -> PostDocument:
        """Posts to a chat: only to public addresses, unless the stack allows others."""
        from mediaposter.http.outbound import post_document
        from mediaposter.usecases.scheduled.deliver_webhook import DELIVERY_TIMEOUT_SECONDS

        return partial(
            post_document,
            timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
            is_anywhere_allowed=self._settings.webhook_transport == "any",
        )

    def send_email(self, subject: str, text: str) -> None:
        """Publish to the topic of approvals, whose subscribers get it by e-mail."""
        topic_arn = self._settings.require("approval_topic_arn")
        _session().client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=text)

    def read_secret(self, name: str) -> str:
        """Read a secret of this stack from Parameter Store, verbatim.

        Raises:
            ConfigurationError: the parameter does not exist.
        """
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        path = f"{self._settings.require('secrets_path')}/{name}"
        try:
            return str(self._secrets.get(path, decrypt=True, max_age=_SECRET_MAX_AGE_SECONDS))
        except GetParameterError as error:
            # Powertools raises its own error from within the handling of the service's.
            if type(error.__context__).__name__ == "ParameterNotFound":
                raise ConfigurationError(
                    f"The secret {path} is missing. Put it: "
                    f"aws ssm put-parameter --type SecureString --name {path} --value …"
                ) from error
            raise

    @property
    def posts_notice(self) -> str:
        """Warn of nothing: posts are real."""
        return ""

    def public_url(self) -> str:
        """Read the API's URL. It cannot be an environment variable, because the API depends on the functions."""
        path = f"{self._settings.require('secrets_path')}/public-url"
        return str(self._secrets.get(path, max_age=_SECRET_MAX_AGE_SECONDS))

    def count_metric(self, name: str) -> None:
        """Add one to a metric of the stack."""
        count_metric(name, stack=self._settings.require("stack_name"))

    def measure(self, name: str, value: float, *, provider: str | None = None) -> None:
        """Add a value to a metric, of the stack or of one of its providers."""
        count_metric(name, stack=self._settings.require("stack_name"), value=value, provider=provider)

    def report(self, sentence: str) -> None:
        """Log a warning."""
        logger.warning(sentence)

    def rest_between_rows(self) -> None:
        """Leave the counters of a provider to single requests for most of the time (bench/burst.py)."""
        time.sleep(ROW_REST_SECONDS)

    def _build_bucket(self) -> S3Bucket:
        from mediaposter.stores.s3_bucket import S3Bucket

        return S3Bucket(_build_s3_client(), self._settings.require("video_bucket"))

    @cached_property
    def _event_bus(self) -> EventBus:
        from mediaposter.events import EventBus

        return EventBus(_session().client("events"), self._settings.require("event_bus"))

    @cached_property
    def _canceller(self) -> RemoteCanceller:
        from mediaposter.lambda_calls import RemoteCanceller

        return RemoteCanceller(_session().client("lambda"), self._settings.require("cancel_render_function"))

    @cached_property
    def _secrets(self) -> SSMProvider:
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        client: SSMClient = _session().client("ssm")
        return SSMProvider(boto3_client=client)


def build_stack() -> Stack:
    """Build the stack of this function, from its environment."""
    settings = Settings.from_environment(os.environ)
    return Stack(settings, AwsEdges(settings))


@cache
def _session() -> boto3.Session:
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


def _build_s3_client() -> S3Client:
    from botocore.config import Config

    # By default boto3 presigns with version 2, which newer regions and KMS refuse, and for S3's global address, which
    # sends its callers on to the bucket's region: the signature, which names the host, does not hold there. Only a
    # bucket's own name is of its region (Amazon S3 user guide, "Virtual hosting"), and a local cloud has no such names.
    is_elsewhere = any(map(os.environ.get, ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")))
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if is_elsewhere else "virtual"})
    client: S3Client = _session().client("s3", config=config)
    return client
