"""What a page of an owner's videos costs when there are 100 of them, and when there are 100,000.

Run by hand after `make tools`: `python -m bench.list_scaling`; it takes some minutes. `VideoStore.list_page` lists
the first page, one from the middle, and those that are filtered: by status (one video in four fits, and none does), by
model, by both, and by a batch. It prints a table and exits 1 when a page of the large library costs more than 1.3 times
that of the small one in any of

- the processor's time in this process, for the records and for all that botocore does;
- requests;
- entries of the index that the Queries read, by the ScannedCount of the service;
- bytes of the replies.

What the service takes is not measured: for each Query moto sorts the whole table, and MiniStack all that the owner has
(its time is printed beside, and proves nothing). DynamoDB keeps an index sorted and answers by what it reads of it:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html. So each page is listed once against
MiniStack, and then its replies are played back, 100 times in turn with those of the other library.

A filter within a batch is the one that reads what it does not list: up to all of the batch, whatever the library holds
beside it. Here a batch has 25 videos; one of thousands costs as many entries, and this bench does not show it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from bench.submit import read_table_schema
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.media.probe import Probe
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.video_lists import VideoQuery
from mediaposter.stores.video_record import Attempt, Video, VideoFailure, video_key
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from sandbox.cloud import LocalCloud

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, WriteRequestTypeDef

SMALL_VIDEOS = 100
LARGE_VIDEOS = 100_000
LIMIT = 20
ROUNDS = 100
RATIO_MAX = 1.3
OWNER = "bench"
WRITES_A_BATCH = 25

STARTED_AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
COMPLETED = Video(
    id="video_completed",
    owner=OWNER,
    created_at=STARTED_AT,
    updated_at=STARTED_AT,
    stage=Stage.DONE,
    prompt="A red kite over the sea at dusk, filmed from a boat",
    model="sora-2",
    resolved_model="gemini-omni-1.2-flash",
    provider="gemini",
    seconds=8,
    size="720x1280",
    metadata={"campaign": "autumn"},
    progress=100,
    attempts=(Attempt(provider="gemini", model="gemini-omni-1.2-flash", started_at=STARTED_AT, cost_micros=800_000),),
    provider_job_id="operations/0123456789abcdef0123456789abcdef",
    cost_estimate_micros=800_000,
    expected_render_seconds=90,
    cost_micros=800_000,
    stored=StoredVideo(
        key="videos/video_completed/video.mp4",
        thumbnail_key="videos/video_completed/thumbnail.webp",
        spritesheet_key="videos/video_completed/spritesheet.jpg",
        size_bytes=10_000_000,
        sha256="a" * 64,
        probe=Probe(width=720, height=1280, duration_ms=8_000, video_codec="h264", audio_codec="aac"),
    ),
    completed_at=STARTED_AT,
)
FAILED = COMPLETED.model_copy(
    update={
        "id": "video_failed",
        "stage": Stage.RENDERING,
        "failure": VideoFailure(code=ErrorCode.CONTENT_POLICY, message="The provider refused the prompt."),
        "stored": None,
        "completed_at": None,
    }
)
OTHER_MODEL = "kling-3.0-pro"
# Every fourth video failed, and every fourth another model made. The oldest are those of a batch.
KINDS = (FAILED, COMPLETED, COMPLETED, COMPLETED.model_copy(update={"resolved_model": OTHER_MODEL}))
BATCH_ID = "batch_of_the_oldest"
BATCH_VIDEOS = 25


class Tape:
    """Stands between a client and its service: records what is asked and answered once, and plays it back after."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.requests = 0
        self.entries = 0
        self.reply_bytes = 0
        self._replies: dict[object, AWSResponse] = {}
        self._asked: object = None
        events = client.meta.events
        events.register_first("before-send", self._answer)  # type: ignore[arg-type]  # the stubs let no handler answer
        events.register_last("after-call", self._record)

    def _answer(self, *, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        self._asked = request.body
        return self._replies.get(request.body)

    def _record(self, *, http_response: AWSResponse, parsed: dict[str, Any], **_: object) -> None:
        if self._asked in self._replies:
            return
        self._replies[self._asked] = http_response
        self.requests += 1
        self.entries += parsed.get("ScannedCount", 0)
        self.reply_bytes += len(http_response.content)


class Listing(NamedTuple):
    """A page of one library, ready to be listed again, and how long the service took for it."""

    video_store: VideoStore
    query: VideoQuery
    tape: Tape
    records: int
    service_seconds: float

    def time_once(self) -> float:
        """List it again; give the processor's seconds."""
        started = time.thread_time()
        page = self.video_store.list_page(self.query)
        seconds = time.thread_time() - started
        if len(page.videos) != self.records:
            raise SystemExit(f"{len(page.videos)} videos were played back, of {self.records}")
        return seconds


def name_video(number: int) -> str:
    """Name a video as `stack.new_video_id` of bootstrap does: its milliseconds, then 80 bits."""
    return f"video_{int(STARTED_AT.timestamp() * 1000) + number:012x}{number:020x}"


def name_table(videos: int) -> str:
    """Name the table of a library."""
    return f"library-{videos}"


def fill_table(client: DynamoDBClient, videos: int) -> None:
    """Make a table with an owner's videos: copies of the item that the library keeps of each kind."""
    table = name_table(videos)
    client.create_table(TableName=table, **read_table_schema())
    items = [keep_briefly(client, table, kind) for kind in KINDS]
    of_batch = [keep_briefly(client, table, kind.model_copy(update={"batch_id": BATCH_ID})) for kind in KINDS]
    for first in range(0, videos, WRITES_A_BATCH):
        puts: list[WriteRequestTypeDef] = []
        for number in range(first, first + WRITES_A_BATCH):
            video_id = name_video(number)
            copied = {"id": {"S": video_id}, "pk": {"S": video_key(video_id).pk}}
            kinds = of_batch if number < BATCH_VIDEOS else items
            puts.append({"PutRequest": {"Item": {**kinds[number % len(kinds)], **copied}}})
        if client.batch_write_item(RequestItems={table: puts})["UnprocessedItems"]:
            raise SystemExit(f"Not all of the {videos:,} videos were kept.")


def keep_briefly(client: DynamoDBClient, table: str, video: Video) -> Mapping[str, AttributeValueTypeDef]:
    """Keep a video as ever, and take its item out again."""
    VideoStore(LibraryTable(client, table)).create(video, [])
    key = video_key(video.id)
    taken = client.delete_item(TableName=table, Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}}, ReturnValues="ALL_OLD")
    return taken["Attributes"]


def choose_pages(videos: int) -> dict[str, VideoQuery]:
    """Choose the pages of a library that are listed."""
    return {
        "the first": VideoQuery(OWNER, LIMIT),
        "from the middle": VideoQuery(OWNER, LIMIT, after=name_video(videos // 2)),
        "by status, 1 in 4 fits": VideoQuery(OWNER, LIMIT, status=VideoStatus.FAILED),
        "by status, none fits": VideoQuery(OWNER, LIMIT, status=VideoStatus.QUEUED),
        "by model": VideoQuery(OWNER, LIMIT, resolved_model=OTHER_MODEL),
        "by both, 1 in 4 fits": VideoQuery(OWNER, LIMIT, status=VideoStatus.COMPLETED, resolved_model=OTHER_MODEL),
        "by both, none fits": VideoQuery(OWNER, LIMIT, status=VideoStatus.FAILED, resolved_model=OTHER_MODEL),
        "by batch": VideoQuery(OWNER, LIMIT, batch_id=BATCH_ID),
        "by batch and status": VideoQuery(OWNER, LIMIT, status=VideoStatus.FAILED, batch_id=BATCH_ID),
    }


def list_once(client: DynamoDBClient, videos: int, query: VideoQuery) -> Listing:
    """List a page against the service, and keep its replies."""
    tape = Tape(client)
    video_store = VideoStore(LibraryTable(client, name_table(videos)))
    started = time.perf_counter()
    page = video_store.list_page(query)
    return Listing(video_store, query, tape, len(page.videos), time.perf_counter() - started)


def record_listings() -> dict[str, tuple[Listing, Listing]]:
    """List each page of the small library and of the large one."""
    with tempfile.TemporaryDirectory() as directory, LocalCloud(Path(directory)) as cloud:
        for videos in (SMALL_VIDEOS, LARGE_VIDEOS):
            fill_table(cloud.client("dynamodb"), videos)
        small_pages, large_pages = choose_pages(SMALL_VIDEOS), choose_pages(LARGE_VIDEOS)
        return {
            name: (
                list_once(cloud.client("dynamodb"), SMALL_VIDEOS, small_pages[name]),
                list_once(cloud.client("dynamodb"), LARGE_VIDEOS, large_pages[name]),
            )
            for name in small_pages
        }


def compare(name: str, small: Listing, large: Listing) -> bool:
    """Time a page of both libraries in turn, and print what it costs; tell whether the claim holds."""
    pairs = [(small.time_once(), large.time_once()) for _ in range(ROUNDS)]
    for videos, listing, seconds in zip(
        (SMALL_VIDEOS, LARGE_VIDEOS), (small, large), map(median, zip(*pairs, strict=True)), strict=True
    ):
        tape = listing.tape
        print(
            f"{name:<24}{videos:>8,}{listing.records:>8}{seconds * 1000:>9.2f}{tape.requests:>10}{tape.entries:>9,}"
            f"{tape.reply_bytes:>11,}{listing.service_seconds * 1000:>14,.0f}",
            flush=True,
        )
    ratios = {
        # Runs of one round lie beside each other, so that what else the machine does weighs on both alike.
        "time": median(large_seconds / small_seconds for small_seconds, large_seconds in pairs),
        "requests": large.tape.requests / small.tape.requests,
        # Where nothing fits, nothing is read.
        "entries": max(large.tape.entries, 1) / max(small.tape.entries, 1),
        "bytes": large.tape.reply_bytes / small.tape.reply_bytes,
    }
    holds = all(ratio <= RATIO_MAX for ratio in ratios.values())
    figures = ", ".join(f"{what} {ratio:.2f}" for what, ratio in ratios.items())
    print(f"{'holds ' if holds else 'MISSED'}  {figures}: at most {RATIO_MAX}\n")
    return holds


def main() -> None:
    """Record, compare, and exit 1 if the claim is missed for a page."""
    load = os.getloadavg()[0]
    listings = record_listings()
    print(f"pages of {LIMIT}; the median of {ROUNDS} interleaved runs; load average {load:.1f} before them\n")
    print(
        f"{'page':<24}{'videos':>8}{'listed':>8}{'ms here':>9}{'requests':>10}{'entries':>9}{'bytes':>11}"
        f"{'MiniStack ms':>14}"
    )
    verdicts = [compare(name, small, large) for name, (small, large) in listings.items()]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
