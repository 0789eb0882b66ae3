"""What a submit asks of AWS, and where its time goes.

Run by hand: `python -m bench.submit`. The use case behind POST /videos, warm, in this process against moto, with the
table as template.yaml makes it: 1,000 requests with two posts, an Idempotency-Key, a daily budget of the key and one of
the stack. It prints a table and exits 1 unless every call sends one TransactWriteItems, then one StartExecution, and
nothing else; a request that botocore repeats counts twice.

botocore's events tell when a call begins, is sent, is answered and ends. So what is `ours` is the use case with its
records and its encoding of items; `botocore` builds and signs requests and parses replies; and `moto` stands where AWS
and the way there would be, so nothing follows from its time. Nothing waits here: the times are those of the processor,
and what else the machine does weighs less. For every item of a transaction moto copies the whole table, so each call
has a new one.

Other submits send more, and are not measured: with a picture (an object in S3), with a key that is repeated or a retry
of the SDK without one (reads), or in a stack that has a catalog of its own (an object read once a minute). What is
connected at the publisher is read from the table once a minute, too: here before the first that counts.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import boto3
from botocore.client import BaseClient
from moto import mock_aws

from checks.cloudformation import read_template
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.aws import AwsEdges
from mediaposter.config import Settings
from mediaposter.publishing.publisher_interface import Account
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.stores.budget import BudgetStore, StackLimits
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.idempotency import IdempotencyStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostStore
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.accounts import ValidateAccounts
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.caller import Caller
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.workflow import StepFunctionsWorkflow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

ROOT = Path(__file__).parent.parent
CALLS = 1_000
WARM_UP_CALLS = 50
TABLE = "library"
SCHEMA = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
EXPECTED = ["TransactWriteItems", "StartExecution"]

CALLER = Caller(owner="bench", scopes=frozenset({Scope.CREATE, Scope.PUBLISH}), daily_budget_micros=100_000 * 1_000_000)
STACK_DAILY_BUDGET_MICROS = 1_000_000 * 1_000_000
REQUEST = CreateVideoRequest.model_validate(
    {
        "prompt": "A red kite over the sea at dusk, filmed from a boat",
        "publish": [
            {"platform": "twitter", "account_id": "101"},
            {"platform": "instagram", "account_id": "102", "text": "Dusk"},
        ],
        "metadata": {"campaign": "autumn"},
    }
)

CONNECTED = ConnectedAccounts(
    accounts=tuple(
        Account(account_id=target.account_id, platform=target.platform, name="bench") for target in REQUEST.publish
    ),
    read_at=datetime(2026, 12, 1, tzinfo=UTC),
)


class Call(NamedTuple):
    """One call of a client; `service_seconds` are those between a request and its answer."""

    operation: str
    requests: int
    seconds: float
    service_seconds: float


class Submit(NamedTuple):
    """One call of the use case, and the calls of AWS within it."""

    seconds: float
    calls: list[Call]

    @property
    def own_seconds(self) -> float:
        """Give what passed outside of AWS's clients."""
        return self.seconds - sum(call.seconds for call in self.calls)


class Meter:
    """Hears by botocore's events what clients ask of AWS, and how long it takes. One thread only."""

    def __init__(self, *clients: BaseClient) -> None:
        self._calls: list[Call] = []
        self._begun_at = self._sent_at = 0.0
        self._requests, self._service_seconds = 0, 0.0
        for client in clients:
            client.meta.events.register_first("provide-client-params", self._begin)
            client.meta.events.register_first("before-send", self._send)
            client.meta.events.register_first("before-parse", self._receive)
            client.meta.events.register_last("after-call", self._end)

    def take(self) -> list[Call]:
        """Give the calls since the last time."""
        calls, self._calls = self._calls, []
        return calls

    def _begin(self, **_: object) -> None:
        self._requests, self._service_seconds = 0, 0.0
        self._begun_at = time.thread_time()

    def _send(self, **_: object) -> None:
        self._requests += 1
        self._sent_at = time.thread_time()

    def _receive(self, **_: object) -> None:
        self._service_seconds += time.thread_time() - self._sent_at

    def _end(self, *, event_name: str, **_: object) -> None:
        seconds = time.thread_time() - self._begun_at
        operation = event_name.rpartition(".")[2]
        self._calls.append(Call(operation, self._requests, seconds, self._service_seconds))


def read_table_schema() -> dict[str, Any]:
    """Read the keys and indexes of the table, as CreateTable takes them."""
    properties = read_template(ROOT / "template.yaml").resources["LibraryTable"].properties
    return {name: properties[name] for name in SCHEMA}


def build_submit(
    dynamodb: DynamoDBClient,
    stepfunctions: SFNClient,
    state_machine_arn: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> SubmitVideo:
    """Build the use case as the stack does; `sleep` waits between the tries of a transaction."""
    table = LibraryTable(dynamodb, TABLE, sleep=sleep)
    edges = AwsEdges(Settings())
    return SubmitVideo(
        videos=VideoStore(table),
        posts=PostStore(table),
        requests=IdempotencyStore(table),
        budget=BudgetStore(table),
        pictures=refuse_pictures,
        captions=refuse_captions,
        catalogs=built_in_catalog,
        default_fallbacks=(),
        stack_limits=StackLimits(STACK_DAILY_BUDGET_MICROS),
        is_approval_default=False,
        validate_accounts=ValidateAccounts(
            accounts=AccountStore(table),
            publishers=refuse_publisher,
            clock=lambda: CONNECTED.read_at,
            monotonic=time.monotonic,
        ).check,
        slots=CapacityStore(table, built_in_catalog().count_renders_at_once),
        workflow=StepFunctionsWorkflow(stepfunctions, state_machine_arn),
        count_metric=refuse_metric,
        clock=edges.now,
        new_id=partial(edges.new_id, "video"),
    )


def refuse_pictures() -> NoReturn:
    """Tell that the request has none."""
    raise AssertionError("The request has no picture.")


def refuse_captions() -> NoReturn:
    """Tell that the request has none written."""
    raise AssertionError("The request has no captions written.")


def refuse_publisher() -> NoReturn:
    """Tell that the accounts of the request are known."""
    raise AssertionError("The publisher was asked.")


def refuse_metric(name: str) -> NoReturn:
    """Tell that only what goes wrong is counted."""
    raise AssertionError(f"{name} was counted.")


def measure() -> list[Submit]:
    """Submit until it is warm, then submit and measure."""
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        dynamodb, stepfunctions = session.client("dynamodb"), session.client("stepfunctions")
        machine = stepfunctions.create_state_machine(
            name="video", definition="{}", roleArn="arn:aws:iam::123456789012:role/states"
        )
        submit_video = build_submit(dynamodb, stepfunctions, machine["stateMachineArn"])
        schema = read_table_schema()
        meter = Meter(dynamodb, stepfunctions)
        submits = []
        for number in range(WARM_UP_CALLS + CALLS):
            request_context = RequestContext(idempotency_key=f"request {number}")
            dynamodb.create_table(TableName=TABLE, **schema)
            if number == 0:
                AccountStore(LibraryTable(dynamodb, TABLE)).put(CONNECTED)
            meter.take()
            started = time.thread_time()
            submit_video(REQUEST, caller=CALLER, request_context=request_context)
            submits.append(Submit(time.thread_time() - started, meter.take()))
            dynamodb.delete_table(TableName=TABLE)
        return submits[WARM_UP_CALLS:]


def compare(submits: Sequence[Submit]) -> bool:
    """Print where the time goes and what was sent; tell whether the claim holds."""
    total_seconds = sum(submit.seconds for submit in submits)

    def print_row(name: str, count: float, seconds: Iterable[float]) -> None:
        ordered = sorted(seconds)
        print(
            f"{name:<34}{count:>6.2f}{median(ordered) * 1000:>11.2f}{ordered[len(ordered) * 99 // 100] * 1000:>8.2f}"
            f"{sum(ordered) / total_seconds:>8.1%}"
        )

    print(f"{'':<34}{'a call':>6}{'median ms':>11}{'p99 ms':>8}{'share':>8}")
    print_row("a submit", 1, (submit.seconds for submit in submits))
    print_row("  ours", 1, (submit.own_seconds for submit in submits))
    calls = [call for submit in submits for call in submit.calls]
    for operation in Counter(call.operation for call in calls):
        same = [call for call in calls if call.operation == operation]
        print_row(f"  {operation}", sum(call.requests for call in same) / len(submits), (call.seconds for call in same))
        print_row("    botocore", len(same) / len(submits), (call.seconds - call.service_seconds for call in same))
        print_row("    moto", len(same) / len(submits), (call.service_seconds for call in same))

    own = median(submit.own_seconds for submit in submits)
    in_calls = median(submit.seconds - submit.own_seconds for submit in submits)
    clients = median(sum(call.seconds - call.service_seconds for call in submit.calls) for submit in submits)
    print(
        f"\nours over the two calls: {own / in_calls:.3f}; over what botocore alone takes for them: {own / clients:.2f}"
    )
    expected = sum(
        [call.operation for call in submit.calls for _ in range(call.requests)] == EXPECTED for submit in submits
    )
    holds = expected == len(submits)
    print(
        f"{'holds ' if holds else 'MISSED'}  one TransactWriteItems, then one StartExecution, and nothing else: "
        f"{expected:,} of {len(submits):,} calls"
    )
    return holds


def main() -> None:
    """Measure, print, and exit 1 if the claim is missed."""
    load = os.getloadavg()[0]
    submits = measure()
    print(f"{len(submits):,} submits in one process against moto; load average {load:.1f} before them\n")
    sys.exit(0 if compare(submits) else 1)


if __name__ == "__main__":
    main()
