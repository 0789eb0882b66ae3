"""What conflicts of transactions do to requests, over moto: the product's submit, its table and botocore as they are.

Run by hand: `python -m bench.conflicts`; a minute or two. `bench.contention` has the model of when transactions meet.
Here each TransactWriteItems is answered with a TransactionConflict by chance, before it reaches moto, and the waits
between tries take no time. It prints how many requests were refused, and how the others were recorded: with a slot of
their provider, in its queue, or without either, which their execution then gets. It exits 1 if the counters of the
provider are not those of the records, or if a request is refused while half of the transactions meet others.
"""

from __future__ import annotations

import random
import sys
from typing import Any, NamedTuple

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from moto import mock_aws

from bench.submit import CALLER, CONNECTED, TABLE, build_submit, read_table_schema
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.domain.errors import ApiError
from mediaposter.stores.accounts import AccountStore
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.wire.requests import CreateVideoRequest

REQUESTS = 60
SHARES = (0.0, 0.3, 0.5, 0.7)
REQUEST = CreateVideoRequest.model_validate({"prompt": "A red kite over the sea", "model": "sandbox-1"})


class Outcome(NamedTuple):
    """What came of the requests of one row, and what the counters of the provider say."""

    transactions: int
    refused: int
    with_slot: int
    waiting: int
    without: int
    counted: tuple[int, int]


class Conflicts:
    """Answers some transactions with a conflict of their first item."""

    def __init__(self, share: float) -> None:
        self.transactions = 0
        self._share = share
        self._chance = random.Random(f"{share}")  # noqa: S311 (no secret depends on it)

    def __call__(self, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        """Take the place of the service, or let the request go on."""
        self.transactions += 1
        if self._chance.random() >= self._share:
            return None
        answer = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "CancellationReasons": [{"Code": "TransactionConflict"}],
        }
        headers: Any = HeadersDict()
        return AWSResponse("", 400, headers, None), answer


def simulate(share: float) -> Outcome:
    """Submit all requests while such a share of the transactions conflicts."""
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        dynamodb, stepfunctions = session.client("dynamodb"), session.client("stepfunctions")
        dynamodb.create_table(TableName=TABLE, **read_table_schema())
        machine = stepfunctions.create_state_machine(
            name="video", definition="{}", roleArn="arn:aws:iam::123456789012:role/states"
        )
        table = LibraryTable(dynamodb, TABLE)
        AccountStore(table).put(CONNECTED)
        submit_video = build_submit(dynamodb, stepfunctions, machine["stateMachineArn"], sleep=lambda _: None)
        conflicts = Conflicts(share)
        events: Any = dynamodb.meta.events  # its types do not know that an answer may be given
        events.register("before-call.dynamodb.TransactWriteItems", conflicts)
        videos, refused = [], 0
        for _ in range(REQUESTS):
            try:
                videos.append(submit_video(REQUEST, caller=CALLER).video)
            except ApiError:
                refused += 1
        provider = videos[0].provider
        counted = CapacityStore(table, built_in_catalog().count_renders_at_once).count(provider)
        return Outcome(
            conflicts.transactions,
            refused,
            sum(video.slot is not None for video in videos),
            sum(video.place is not None for video in videos),
            sum(video.slot is None and video.place is None for video in videos),
            (counted.in_flight, counted.waiting),
        )


def main() -> None:
    """Print a row for each share, and exit 1 if a claim is missed."""
    print(f"{REQUESTS} requests, one after another\n")
    print(f"{'conflicts':>9}{'tries':>8}{'refused':>9}{'slot':>6}{'queue':>7}{'neither':>9}   counted")
    misses = []
    for share in SHARES:
        outcome = simulate(share)
        print(
            f"{share:>9.0%}{outcome.transactions / REQUESTS:>8.2f}{outcome.refused:>9}{outcome.with_slot:>6}"
            f"{outcome.waiting:>7}{outcome.without:>9}   {outcome.counted}"
        )
        if outcome.counted != (outcome.with_slot, outcome.waiting):
            misses.append(f"{share:.0%}: the counters are not those of the records")
        if outcome.refused and share <= 0.5:
            misses.append(f"{share:.0%}: {outcome.refused} refused")
    print("".join(f"MISSED: {miss}\n" for miss in misses), end="")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
