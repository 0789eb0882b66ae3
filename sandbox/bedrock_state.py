"""What the stand-in for Bedrock Runtime remembers: invocations, tokens, faults, calls."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field

from sandbox.bedrock_wire import (
    MODEL_ID,
    ApiError,
    ErrorName,
    InvocationPage,
    InvocationView,
    ListAsyncInvokes,
    Order,
    OutputData,
    S3Output,
    Status,
)
from sandbox.calls import Call
from sandbox.control import JobServer
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Closed,
    Delay,
    Drop,
    FaultRule,
    NeverFinish,
    Respond,
    Script,
    ShowStatus,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOGGER = logging.getLogger(__name__)

_ACCOUNT = "000000000000"
# How often an invocation that waits for its time looks at the clock.
_LOOK_SECONDS = 0.05
# Bedrock's words, as its users report them, for a place it sees at the start that it cannot write to. What it says of
# one that has gone bad meanwhile is not known; this stand-in says the same.
_BAD_OUTPUT = "Invalid Output Config/Credentials"

# As Bedrock's users report them; that of the quota is from the service model.
_REFUSALS: dict[ErrorName, str] = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "InternalServerException": "The system encountered an unexpected error during processing. Try your request again.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
}


class Refuse(Closed):
    """Answer an error of the service model and do nothing; without a message, in words that Bedrock uses."""

    type: Literal["refuse"] = "refuse"
    error: ErrorName
    message: str | None = None

    def build_error(self) -> ApiError:
        """Build the error."""
        return ApiError(self.error, self.message or _REFUSALS.get(self.error, self.error))


class FailInvocation(Closed):
    """Accept the invocation, and let it fail where it would have been completed.

    The message is Luma's for a prompt that its moderation stops (docs.lumalabs.ai/docs/errors).
    """

    type: Literal["fail"] = "fail"
    message: str = Field(default="Advanced prompt moderation failed", max_length=2048)


class WithoutObject(Closed):
    """Complete the invocation, and write nothing."""

    type: Literal["without_object"] = "without_object"


class OnCreate(FaultRule):
    """A fault of the call that starts an invocation, or of the invocation it starts."""

    on: Literal["create"] = "create"
    action: Annotated[
        Respond
        | Refuse
        | Delay
        | Drop
        | AcceptThenDrop
        | AcceptThenRespond
        | FailInvocation
        | NeverFinish
        | WithoutObject,
        Field(discriminator="type"),
    ]


class OnRetrieve(FaultRule):
    """A fault of the call that asks how an invocation stands."""

    on: Literal["retrieve"] = "retrieve"
    action: Annotated[Respond | Refuse | Delay | Drop | ShowStatus, Field(discriminator="type")]


BedrockFault = OnCreate | OnRetrieve


class BedrockFaultScript(Script[Annotated[BedrockFault, Field(discriminator="on")]]):
    """The script of this stand-in."""


Fate = FailInvocation | NeverFinish | WithoutObject


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invocation ended; a failure has a message."""

    at: float
    failure_message: str | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """An accepted invocation; without a delivery it never ends."""

    arn: str
    region: str
    order: Order
    output: OutputData
    submitted_at: float
    delivery: asyncio.Task[Ending] | None

    @property
    def ending(self) -> Ending | None:
        """Give how it ended, if it has."""
        return self.delivery.result() if self.delivery is not None and self.delivery.done() else None

    @property
    def status(self) -> Status:
        """Tell how it stands."""
        if self.ending is None:
            return "InProgress"
        return "Completed" if self.ending.failure_message is None else "Failed"

    def describe(self) -> InvocationView:
        """Give the invocation as Bedrock would show it now."""
        ending = self.ending
        ended_at = None if ending is None else datetime.fromtimestamp(ending.at, UTC)
        submitted_at = datetime.fromtimestamp(self.submitted_at, UTC)
        return InvocationView(
            invocation_arn=self.arn,
            model_arn=f"arn:aws:bedrock:{self.region}::foundation-model/{MODEL_ID}",
            client_request_token=self.order.start.client_request_token,
            status=self.status,
            failure_message=None if ending is None else ending.failure_message,
            submit_time=submitted_at,
            last_modified_time=ended_at or submitted_at,
            end_time=ended_at,
            output_data_config=self.output,
        )


class BedrockServer(JobServer[Call, BedrockFault]):
    """The stand-in's state: invocations, faults, calls.

    In two things it is kinder than AWS: it takes any region, and it writes with rights of its own where Bedrock
    writes with the caller's. A KMS key and the owner of the bucket are shown again, and otherwise not looked at.
    """

    def __init__(self, *, s3: S3Client, render_seconds: float, clock: Callable[[], float]) -> None:
        self._s3 = s3
        self._invocations: dict[str, Invocation] = {}
        super().__init__(render_seconds=render_seconds, clock=clock)

    def reset(self) -> None:
        """Forget invocations, faults and calls; what is still to be delivered is not delivered."""
        super().reset()
        for invocation in self._invocations.values():
            if invocation.delivery is not None:
                invocation.delivery.cancel()
        self._invocations.clear()

    async def check_output(self, order: Order) -> None:
        """Refuse a bucket that cannot be reached, which Bedrock sees before it accepts."""
        bucket = order.start.output_data_config.s3_output_data_config.bucket
        try:
            await asyncio.to_thread(self._s3.head_bucket, Bucket=bucket)
        except (ClientError, BotoCoreError) as error:
            raise ApiError("ValidationException", _BAD_OUTPUT) from error

    def accept(self, order: Order, region: str, fate: Fate | None) -> Invocation:
        """Take an invocation on, or give the one that was taken on with the same token and the same parameters.

        How long Bedrock remembers a token is not told; here it does so until the next reset.
        """
        earlier = self._find_by_token(order.start.client_request_token, region)
        if earlier is not None:
            if earlier.order.start != order.start:
                message = "The clientRequestToken was used before, with other parameters."
                raise ApiError("ConflictException", message)
            return earlier
        invocation_id = secrets.token_hex(6)
        output = order.start.output_data_config.enter(invocation_id)
        submitted_at = self.clock()
        delivery = None
        if not isinstance(fate, NeverFinish):
            delivery = asyncio.create_task(self._deliver(order, output.s3_output_data_config, submitted_at, fate))
        invocation = Invocation(
            arn=f"arn:aws:bedrock:{region}:{_ACCOUNT}:async-invoke/{invocation_id}",
            region=region,
            order=order,
            output=output,
            submitted_at=submitted_at,
            delivery=delivery,
        )
        self._invocations[invocation.arn] = invocation
        self.count_accepted()
        return invocation

    def find(self, arn: str) -> Invocation:
        """Give the invocation with this ARN. Not found is no error that GetAsyncInvoke has in the service model."""
        if arn not in self._invocations:
            raise ApiError("ValidationException", "The provided invocation ARN does not exist.")
        return self._invocations[arn]

    def list_invocations(self, query: ListAsyncInvokes, region: str) -> InvocationPage:
        """Give a page of the region's invocations that the query asks for."""
        found = [
            invocation.describe()
            for invocation in self._invocations.values()
            if _is_asked_for(invocation, query, region)
        ]
        found.sort(key=lambda view: view.submit_time, reverse=query.sort_order == "Descending")
        start = _read_page_token(query.next_token)
        end = start + query.max_results
        return InvocationPage(
            async_invoke_summaries=tuple(found[start:end]), next_token=f"page-{end}" if end < len(found) else None
        )

    def count_in_flight(self) -> int:
        """Count the invocations that have not ended."""
        return sum(invocation.status == "InProgress" for invocation in self._invocations.values())

    def _find_by_token(self, token: str | None, region: str) -> Invocation | None:
        if token is None:
            return None
        for invocation in self._invocations.values():
            if invocation.region == region and invocation.order.start.client_request_token == token:
                return invocation
        return None

    async def _deliver(self, order: Order, output: S3Output, submitted_at: float, fate: Fate | None) -> Ending:
        """Draw the clip and, when its time has come, bring it to the bucket."""
        render = self.renders.submit(order.prompt, width=order.width, height=order.height, seconds=order.seconds)
        # Others may wait for the same clip: a reset ends this waiting, not the render.
        rendered = await asyncio.shield(asyncio.wrap_future(render))
        while self.clock() < submitted_at + self.render_seconds:
            await asyncio.sleep(_LOOK_SECONDS)
        if isinstance(fate, FailInvocation):
            return Ending(self.clock(), fate.message)
        if isinstance(fate, WithoutObject):
            return Ending(self.clock(), None)
        return await asyncio.to_thread(self._store, rendered.path, output)

    def _store(self, path: Path, output: S3Output) -> Ending:
        try:
            with path.open("rb") as clip:
                self._s3.put_object(
                    Bucket=output.bucket, Key=output.locate("output.mp4"), Body=clip, ContentType="video/mp4"
                )
        except (ClientError, BotoCoreError) as error:
            _LOGGER.warning("The clip of %s was not stored: %s", output.s3_uri, error)
            return Ending(self.clock(), _BAD_OUTPUT)
        return Ending(self.clock(), None)


def _is_asked_for(invocation: Invocation, query: ListAsyncInvokes, region: str) -> bool:
    submitted_at = datetime.fromtimestamp(invocation.submitted_at, UTC)
    return (
        invocation.region == region
        and query.status_equals in (None, invocation.status)
        and (query.submit_time_after is None or submitted_at > query.submit_time_after)
        and (query.submit_time_before is None or submitted_at < query.submit_time_before)
    )


def _read_page_token(token: str | None) -> int:
    if token is None:
        return 0
    head, _, position = token.partition("-")
    if head != "page" or not position.isdecimal():
        raise ApiError("ValidationException", "The provided nextToken is not valid.")
    return int(position)
