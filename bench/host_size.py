"""How fast a host starts and lists, what a burst of videos takes, and how much memory it needs.

Run by hand, on a quiet machine: `python -m bench.host_size`; it takes some minutes. A host of its own, with a stand-in
for a provider that renders in half a second, and no posts. Five bursts make a thousand videos: memory after the last is
compared with memory after the first. It exits 1 when a figure is over its bound.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx

from mediaposter.host.database import Database
from mediaposter.host.table import SqliteTable
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, a_stored_video, a_video
from tests.conformance.embedded import EmbeddedHost, name_variables, run_stand_ins

LIBRARY_VIDEOS = 10_000
LISTS = 300
BURST_VIDEOS = 200
BURSTS = 5
AT_ONCE = 32
BURST_ENDS_WITHIN_SECONDS = 600.0
START_SECONDS_MAX = 3.0
LIST_P99_MS_MAX = 50.0
IDLE_MIB_MAX = 120.0
BURST_MIB_MAX = 250.0
GROWTH_MIB_MAX = 20.0


def main() -> None:
    """Measure, print each figure with its bound, and exit 1 if one is over it."""
    print(f"Python {platform.python_version()}", flush=True)
    is_over = False
    for name, value, bound, unit in _measure():
        print(f"{name:<52} {value:9.1f} {unit:<4} at most {bound:g}", flush=True)
        is_over |= value > bound
    sys.exit(is_over)


def _measure() -> Iterator[tuple[str, float, float, str]]:
    with tempfile.TemporaryDirectory() as folder, run_stand_ins(Path(folder) / "stand-ins", ("sora",)) as addresses:
        host = EmbeddedHost(
            Path(folder) / "host",
            {**name_variables(addresses), "MODEL_ALIASES": "sora-2=sora-2", "PROVIDER_CONCURRENCY": "sora=100"},
            wait_scale=1.0,
        )
        fill_library(host.data / "mediaposter.sqlite", LIBRARY_VIDEOS)
        print(f"{LIBRARY_VIDEOS} videos are in the library.", flush=True)
        begin = time.perf_counter()
        host.start()
        yield "start, with the library", time.perf_counter() - begin, START_SECONDS_MAX, "s"
        try:
            time.sleep(3)
            yield "memory, idle", _read_memory_mib(host.address.process_id), IDLE_MIB_MAX, "MiB"
            yield "a page of the library, p99", _list(host), LIST_P99_MS_MAX, "ms"
            with host.client() as api:
                begin = time.perf_counter()
                video_id = api.post("/videos", json={"prompt": "A kite", "model": "sandbox-1"}).json()["id"]
                _wait(api, {video_id})
                yield "one clip of the sandbox, POST to done, over its 4 s", time.perf_counter() - begin - 4, 3.0, "s"
                settled = []
                for number in range(BURSTS):
                    yield from _burst(host, api, number)
                    settled.append(_read_memory_mib(host.address.process_id))
                    yield f"memory after {len(settled) * BURST_VIDEOS} videos", settled[-1], BURST_MIB_MAX, "MiB"
                grown = settled[-1] - settled[0]
                yield f"grown over the last {(BURSTS - 1) * BURST_VIDEOS} videos", grown, GROWTH_MIB_MAX, "MiB"
            log = (host.data / "log" / "host.log").read_text()
            yield "lines about a locked database", log.count("locked") + log.count("holds"), 0, ""
        finally:
            host.stop()


def fill_library(path: Path, count: int) -> None:
    """Write videos that are done straight into the database of a host that does not run."""
    path.parent.mkdir(parents=True)
    database = Database(path)
    videos = VideoStore(SqliteTable(database))
    for number in range(count):
        video_id = f"video_{number:012x}"
        videos.create(
            a_video(
                id=video_id,
                owner="local",
                created_at=NOW - timedelta(minutes=count - number),
                stage=Stage.DONE,
                stored=a_stored_video(video_id),
                completed_at=NOW,
                is_told=True,
            ),
            [],
        )
    database.close()


def _list(host: EmbeddedHost) -> float:
    times = []
    with host.client() as api:
        for _ in range(LISTS):
            begin = time.perf_counter()
            answer = api.get("/videos")
            times.append((time.perf_counter() - begin) * 1000)
            answer.raise_for_status()
    print(f"a page takes {statistics.median(times):.1f} ms in the median of {LISTS}.", flush=True)
    return sorted(times)[int(LISTS * 0.99)]


def _burst(host: EmbeddedHost, api: httpx.Client, burst: int) -> Iterator[tuple[str, float, float, str]]:
    process_id = host.address.process_id

    def submit(number: int) -> str:
        answer = api.post("/videos", json={"prompt": f"Burst {burst}, {number}", "model": "sora-2"})
        answer.raise_for_status()
        return str(answer.json()["id"])

    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        left = set(pool.map(submit, range(BURST_VIDEOS)))
    print(f"{BURST_VIDEOS} videos are taken after {time.perf_counter() - begin:.1f} s.", flush=True)
    highest = _wait(api, left, process_id=process_id)
    yield f"{BURST_VIDEOS} videos at once, done", time.perf_counter() - begin, BURST_ENDS_WITHIN_SECONDS, "s"
    yield "memory, highest in the burst", highest, BURST_MIB_MAX, "MiB"
    time.sleep(5)


def _wait(api: httpx.Client, left: set[str], *, process_id: int | None = None) -> float:
    """Wait until all are completed; give the highest memory of the process meanwhile."""
    highest, ends_at, said_at = 0.0, time.monotonic() + BURST_ENDS_WITHIN_SECONDS, time.monotonic()
    while left:
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{len(left)} videos are left.")
        page = api.get("/videos", params={"limit": 100, "status": "completed"}).json()["data"]
        left -= {video["id"] for video in page}
        for video_id in list(left)[:5]:
            if api.get(f"/videos/{video_id}").json()["status"] in ("completed", "failed"):
                left.discard(video_id)
        if process_id is not None:
            highest = max(highest, _read_memory_mib(process_id))
        if time.monotonic() - said_at > 10:
            said_at = time.monotonic()
            print(f"{len(left)} are left.", flush=True)
        time.sleep(0.2)
    return highest


def _read_memory_mib(process_id: int) -> float:
    """Read the resident memory of a process (proc(5), VmRSS); Linux alone."""
    [line] = [line for line in Path(f"/proc/{process_id}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
