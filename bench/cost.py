"""What AWS charges for one video with two posts, all in, and for a month in which nothing happens.

Run by hand: `python -m bench.cost`; it takes some seconds. The video renders for 120 seconds. It goes through the
shipped state machine with the use cases of production, over the fakes of the tests, as in `bench.transitions`. Counted
there: transitions, invocations of each function, and every read and write of the table with its item's size, its
indexes as template.yaml projects them, and transactions, which cost twice. Not counted but stated: how long each
function is billed for (`SECONDS`, from its work on the processor at its share of a core, and the waits for vendors),
and the requests of one caller who creates, reads twice and downloads.

`warm` is a video among many; `cold` starts every function anew, and its initialization is billed. It exits 1 if a warm
video costs more than $0.002, by polling or by webhook, or an idle month more than $1 without the alarms.

Prices are those of us-east-1, without the free tier. Not AWS's price of a video, but named below it: traffic to the
internet, and keeping the file.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from bench.transitions import AIM_SECONDS, TRANSITION_USD, Way, write_catalog
from checks.cloudformation import Template, read_template
from mediaposter.ai.video_model_interface import Capabilities
from mediaposter.stores.table import Change, Delete, IndexEntry, Key
from mediaposter.stores.video_stages import Stage
from tests.builders import a_caller, a_request, a_target
from tests.fakes.state_machine import Function
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import RenderingModel
from tests.fakes.world import World

ROOT = Path(__file__).parent.parent
AIM_USD = 0.002
IDLE_AIM_USD = 1.0
MEGABYTE = 1_000_000

# AWS's price lists of us-east-1: Lambda on arm64, DynamoDB on demand, and so on.
GB_SECOND_USD = 0.0000133334
INVOCATION_USD = 0.20 / MEGABYTE
WRITE_UNIT_USD = 0.625 / MEGABYTE
READ_UNIT_USD = 0.125 / MEGABYTE
API_REQUEST_USD = 3.50 / MEGABYTE
EVENT_USD = 1.00 / MEGABYTE
S3_PUT_USD = 0.005 / 1_000
S3_GET_USD = 0.0004 / 1_000
LOG_BYTE_USD = 0.50 / 1_000**3
TRACE_USD = 5.00 / MEGABYTE
DECRYPT_USD = 0.03 / 10_000
SQS_USD = 0.40 / MEGABYTE
SCHEDULE_USD = 1.00 / MEGABYTE
EGRESS_GB_USD = 0.09
STORED_GB_MONTH_USD = 0.023
ALARM_USD = 0.10
DASHBOARD_USD = 3.00

# Billed seconds of one invocation: what it works, at its share of a core, and what it waits for a vendor or for AWS.
SECONDS: Mapping[str, float] = {
    "Authorize": 0.01,
    "Submit": 0.07,
    "Api": 0.03,
    "Announce": 0.06,
    "StartGeneration": 1.2,
    "CheckGeneration": 0.5,
    "StoreVideo": 3.5,
    "ProbeVideo": 2.5,
    "CreatePost": 1.5,
    "CheckPost": 0.5,
    "CloseVideo": 0.15,
    "ProviderWebhooks": 0.1,
    "Sweep": 0.1,
}
# Imports, and the first client of boto3 (docs/architecture.md, and bench.cold_import at a third of a core).
INIT_SECONDS = 1.3
# Lambda's own lines of an invocation and ours, and a line of the access log.
LOG_BYTES_OF_INVOCATION = 1_300
LOG_BYTES_OF_REQUEST = 400
CALLERS_REQUESTS = 4
# MP4 in two parts, thumbnail and spritesheet; what is read: the probe's ranges, HEAD, and each post.
S3_PUTS = 4 + 2
S3_GETS = 6
VIDEO_BYTES = 8 * MEGABYTE
SECONDS_OF_MONTH = 30 * 24 * 3_600
# Lambda polls an idle queue with five long polls of 20 seconds.
POLLS_OF_QUEUE = SECONDS_OF_MONTH / 20 * 5


class MeteredTable(InMemoryTable):
    """A table that adds up what DynamoDB would charge, in units."""

    indexes: Sequence[Mapping[str, Any]] = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.units: Counter[str] = Counter()

    def get(self, key: Key) -> dict[str, Any]:
        item = super().get(key)
        self.units["reads"] += math.ceil(_size(item) / 4_096)
        return item

    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        items = super().query_prefix(pk, sk_prefix)
        self.units["reads"] += max(math.ceil(sum(map(_size, items)) / 4_096), 1)
        return items

    def query_index(self, index: str, **query: Any) -> list[IndexEntry]:
        self.units["reads"] += 1
        return super().query_index(index, **query)

    def commit(self, changes: Sequence[Change]) -> None:
        keys = [change.key if hasattr(change, "key") else change.record.key for change in changes]
        before = {key: dict(self.items.get(key, {})) for key in keys}
        super().commit(changes)
        factor = 2 if len(changes) > 1 else 1
        for change, key in zip(changes, keys, strict=True):
            after = {} if isinstance(change, Delete) else self.items[key]
            self.units["writes"] += factor * max(math.ceil(max(_size(before[key]), _size(after)) / 1_024), 1)
            self.units["index writes"] += factor * sum(
                _count_index(index, before[key], after) for index in self.indexes
            )


class MeteredWorld(World):
    """A world that counts the invocations of each step."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(table=MeteredTable, **arguments)
        self.calls: Counter[str] = Counter()

    def _functions(self) -> dict[str, Function]:
        return {name: self._count(name, function) for name, function in super()._functions().items()}

    def _count(self, name: str, function: Function) -> Function:
        def call(payload: dict[str, Any]) -> Any:
            self.calls[name.removeprefix("${").removesuffix("FunctionArn}")] += 1
            return function(payload)

        return call


class Line(NamedTuple):
    """One line of a bill."""

    what: str
    amount: float
    usd: float


def _size(item: Mapping[str, Any]) -> int:
    return len(repr({name: str(value) if isinstance(value, Decimal) else value for name, value in item.items()}))


def _count_index(index: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Count the writes of an index: a new place is written, an old one removed, the same one left alone."""
    names = [part["AttributeName"] for part in index["KeySchema"]]
    names += index["Projection"].get("NonKeyAttributes", [])
    places = [tuple(item.get(name) for name in names) for item in (before, after)]
    keys = [place[:2] if None not in place[:2] else None for place in places]
    if keys[0] == keys[1]:
        return int(keys[0] is not None and places[0] != places[1])
    return sum(key is not None for key in keys)


def follow(way: Way, template: Template) -> MeteredWorld:
    """Take a video with two posts through all of its steps."""
    MeteredTable.indexes = template.resources["LibraryTable"].properties["GlobalSecondaryIndexes"]
    model = RenderingModel(capabilities=Capabilities(webhook=True))
    model.render_seconds = AIM_SECONDS
    world = MeteredWorld(
        model=lambda _: model,
        catalog=write_catalog(AIM_SECONDS),
        slots={"sora": 2},
        listens_to=["sora"] if way is Way.WEBHOOK else [],
    )
    model.clock = world.clock
    if way is Way.WEBHOOK:
        world.webhooks_at = [world.clock() + timedelta(seconds=AIM_SECONDS)]
    targets = [a_target("instagram", "101"), a_target("threads", "102")]
    world.submit(a_request(publish=targets), caller=a_caller())
    world.run_executions()
    if world.video.stage is not Stage.DONE or len(world.publisher.posts) != 2:
        raise AssertionError(f"The video is at {world.video.stage} with {len(world.publisher.posts)} posts.")
    return world


def write_bill(way: Way, template: Template, *, is_cold: bool) -> list[Line]:
    """Add up what one video costs."""
    world = follow(way, template)
    table = world.table
    if not isinstance(table, MeteredTable):
        raise TypeError("the table of this world is not metered")
    calls = world.calls + Counter({"Submit": 1, "Announce": 1, "ProbeVideo": 1, "Authorize": 1, "Api": 3})
    requests = CALLERS_REQUESTS
    if way is Way.WEBHOOK:
        calls["ProviderWebhooks"] += 1
        requests += 1
    invocations = sum(calls.values())
    gb_seconds = sum(
        count * SECONDS[name] * _give_gigabytes(name, template)
        + (INIT_SECONDS * _give_gigabytes(name, template) if is_cold else 0)
        for name, count in calls.items()
    )
    transitions = sum(machine.transitions for machine in world.machines)
    events = len(world.events) + len(world.post_events) + 1
    log_bytes = invocations * LOG_BYTES_OF_INVOCATION + requests * LOG_BYTES_OF_REQUEST
    # One of the execution with its functions, one of each request, one of the announcement.
    traces = 1 + requests + 1
    decrypts = len(calls) if is_cold else 0
    units = table.units
    return [
        Line("transitions", transitions, transitions * TRANSITION_USD),
        Line("Lambda requests", invocations, invocations * INVOCATION_USD),
        Line("Lambda GB-seconds", gb_seconds, gb_seconds * GB_SECOND_USD),
        Line("table writes", units["writes"], units["writes"] * WRITE_UNIT_USD),
        Line("index writes", units["index writes"], units["index writes"] * WRITE_UNIT_USD),
        Line("table reads", units["reads"], units["reads"] * READ_UNIT_USD),
        Line("API requests", requests, requests * API_REQUEST_USD),
        Line("S3 requests", S3_PUTS + S3_GETS, S3_PUTS * S3_PUT_USD + S3_GETS * S3_GET_USD),
        Line("events", events, events * EVENT_USD),
        Line("log KB", log_bytes / 1_000, log_bytes * LOG_BYTE_USD),
        Line("traces", traces, traces * TRACE_USD),
        Line("secrets decrypted", decrypts, decrypts * DECRYPT_USD),
    ]


def write_idle_bill(template: Template) -> tuple[list[Line], list[Line]]:
    """Add up a month without videos, and what the alarms and the dashboard add to it."""
    sweeps = SECONDS_OF_MONTH / 60
    gigabytes = _give_gigabytes("Sweep", template)
    queues = len(template.of_type("AWS::Lambda::EventSourceMapping")) - 2  # streams cost nothing to poll
    # One page of what is due, and the slots of each provider.
    reads = sweeps * (0.5 + 7)
    alarms = len(template.of_type("AWS::CloudWatch::Alarm"))
    return [
        Line("sweeps, requests", sweeps, sweeps * INVOCATION_USD),
        Line("sweeps, GB-seconds", sweeps * SECONDS["Sweep"] * gigabytes, sweeps * 0.1 * gigabytes * GB_SECOND_USD),
        Line("schedules", sweeps, sweeps * SCHEDULE_USD),
        Line("table reads", reads, reads * READ_UNIT_USD),
        Line("polls of queues", queues * POLLS_OF_QUEUE, queues * POLLS_OF_QUEUE * SQS_USD),
        Line("log MB", sweeps * 1_300 / MEGABYTE, sweeps * 1_300 * LOG_BYTE_USD),
    ], [Line("alarms", alarms, alarms * ALARM_USD), Line("dashboard", 1, DASHBOARD_USD)]


def _give_gigabytes(name: str, template: Template) -> float:
    properties = template.resources[f"{name}Function"].properties
    return int(properties.get("MemorySize", template.globals["MemorySize"])) / 1_024


def _print_bills(bills: Mapping[str, Sequence[Line]]) -> None:
    print(f"{'':<20}" + "".join(f"{name:>24}" for name in bills))
    for lines in zip(*bills.values(), strict=True):
        print(f"{lines[0].what:<20}" + "".join(f"{line.amount:>12,.1f}{line.usd:>12.6f}" for line in lines))
    print(f"{'all in, $':<20}" + "".join(f"{sum(line.usd for line in lines):>24.6f}" for lines in bills.values()))


def main() -> None:
    """Print the bills, and exit 1 if an aim is missed."""
    template = read_template(ROOT / "template.yaml")
    bills = {
        f"{way}, {heat}": write_bill(way, template, is_cold=heat == "cold")
        for way in (Way.POLLING, Way.WEBHOOK)
        for heat in ("warm", "cold")
    }
    _print_bills(bills)
    gigabytes = VIDEO_BYTES / 1_000**3
    print(
        f"\nBeside it, for a file of {VIDEO_BYTES / MEGABYTE:.0f} MB: ${2 * gigabytes * EGRESS_GB_USD:.6f} to send it "
        f"to the networks twice (nothing within the account's first 100 GB of a month), and "
        f"${gigabytes * STORED_GB_MONTH_USD:.6f} to keep it for a month.\n"
    )
    idle, optional = write_idle_bill(template)
    _print_bills({"an idle month": idle})
    print(f"{'optional, $':<20}" + "".join(f"{line.what:>16} {line.usd:.2f}" for line in optional))
    dear = [name for name, lines in bills.items() if "warm" in name and sum(line.usd for line in lines) > AIM_USD]
    is_idle_dear = sum(line.usd for line in idle) > IDLE_AIM_USD
    misses = [
        *(f"{name} costs more than ${AIM_USD}" for name in dear),
        *(["an idle month is dear"] if is_idle_dear else []),
    ]
    print("".join(f"MISSED: {miss}\n" for miss in misses), end="")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
