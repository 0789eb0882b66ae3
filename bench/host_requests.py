"""Whether threads of the host mix up callers, how fast it answers, and how long its door takes to import.

Run by hand: `python -m bench.host_requests`; it takes half a minute. Two keys ask for their own videos on eight threads
that interrupt each other as often as they can, and each request logs a line. It exits 1 when an answer is another
owner's, or a line carries the id of another request.
"""

from __future__ import annotations

import io
import json
import logging
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mediaposter import current
from mediaposter.host.gateway import Gateway, Request
from mediaposter.host.routes import Route, load_routes
from mediaposter.observability import correlate, logger
from mediaposter.stores.keys import Scope
from tests.builders import NOW, a_video
from tests.fakes.world import World

ROOT = Path(__file__).parent.parent
OWNERS = ("ann", "bob")
GETS = 10_000
LINES = 10_000
THREADS = 8
IMPORTS = 5
_IMPORT = "import mediaposter.host.server; from mediaposter.host.routes import load_routes; load_routes()"


def main() -> None:
    """Measure, print the figures, and exit 1 if anything was mixed up."""
    sys.setswitchinterval(1e-6)
    begin = time.perf_counter()
    wrong_answers = _count_wrong_answers()
    gets_seconds = time.perf_counter() - begin
    wrong_lines = _count_wrong_lines()
    print(f"{GETS:,} GETs by two keys on {THREADS} threads: {GETS / gets_seconds:,.0f}/s, {wrong_answers} to another")
    print(f"{LINES:,} lines in the log: {wrong_lines} with another's id")
    print(f"import of the door and its routes: {_measure_import():.2f} s of CPU, median of {IMPORTS}")
    sys.exit(1 if wrong_answers or wrong_lines else 0)


def _count_wrong_answers() -> int:
    world = World()
    current.install(world.stack)
    gateway = Gateway(load_routes(), world.stack.keys.find)
    headers: dict[str, list[tuple[str, str]]] = {}
    for owner in OWNERS:
        secret, _ = world.stack.keys.create(owner, owner=owner, scopes=(Scope.READ,), now=NOW)
        headers[owner] = [("authorization", f"Bearer {secret}")]
        world.keep(a_video(id=f"video_of_{owner}", owner=owner))

    def is_wrong(number: int) -> bool:
        owner = OWNERS[number % 2]
        path = ("/videos", f"/videos/video_of_{owner}")[number // 2 % 2]
        request = Request(str(number), "GET", path, "", headers[owner], "127.0.0.1")
        admitted = gateway.admit(request)
        answer = gateway.answer(request, admitted) if isinstance(admitted, Route) else admitted
        answered = json.loads(answer.body)
        listed = answered.get("data", [answered])
        return [video.get("id") for video in listed] != [f"video_of_{owner}"]

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(is_wrong, range(GETS)))


def _count_wrong_lines() -> int:
    def work(number: int) -> None:
        with correlate(f"request {number}"):
            logger.info("asked", extra={"number": number})

    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(logger.registered_formatter)
    logger.handlers[:] = [handler]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(LINES)))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return LINES - [line["correlation_id"] == f"request {line['number']}" for line in lines].count(True)


def _measure_import() -> float:
    program = f"import time; begin = time.process_time(); {_IMPORT}; print(time.process_time() - begin)"
    runs = [
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(IMPORTS)
    ]
    return statistics.median(map(float, runs))


if __name__ == "__main__":
    main()
