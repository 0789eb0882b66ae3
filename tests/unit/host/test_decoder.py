"""Videos are decoded in child processes, which are bounded, used again, and replaced."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pytest

from mediaposter.domain.errors import MediaError, MediaPosterError
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.child_jobs import ChildAnswer, ChildJob, Drawing
from mediaposter.host.children import ChildFault, Children, run_module
from mediaposter.host.decoder import ChildDrawer, ChildInspector, build_decoders
from mediaposter.host.links import Links
from mediaposter.media.inspection import InspectionReply, StoredVersion

KEY = "videos/video_1/video.mp4"
IS_LINUX = sys.platform == "linux"

# Stands for the decoder: answers each word with what it is, or breaks down as the word says.
PROGRAM = """
import os, sys, time
for line in sys.stdin:
    word = line.strip()
    if word == "hang":
        time.sleep(60)
    if word == "crash":
        os._exit(3)
    if word == "work":
        time.sleep(0.1)
    if word == "environment":
        print(*os.environ, flush=True)
    else:
        print(os.getpid(), flush=True)
"""

# A host that has a clip drawn, tells the process of its child, and is then killed.
HOST = """
import sys, threading, time
from pathlib import Path
from mediaposter.host.decoder import ChildDrawer, build_decoders

children = build_decoders()
draw = ChildDrawer(children)
draw("A lake", width=64, height=64, seconds=1, path=Path(sys.argv[1], "first.mp4"))
options = {"width": 1024, "height": 1792, "seconds": 60_000, "path": Path(sys.argv[1], "long.mp4")}
threading.Thread(target=draw, args=("A lake",), kwargs=options).start()
time.sleep(0.5)
print(*children.process_ids, flush=True)
"""


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "files", Links(bytes(32), lambda: "http://127.0.0.1"))


@pytest.fixture
def start() -> Iterator[Callable[..., Children]]:
    """Give a function that starts children of the small program, which end with the test."""
    started: list[Children] = []

    def make(program: str = PROGRAM, **options: Any) -> Children:
        started.append(Children((sys.executable, "-S", "-c", program), **options))
        return started[-1]

    yield make
    for children in started:
        children.close()


@pytest.fixture(scope="module")
def decoders() -> Iterator[Children]:
    """Start the real decoder once: it takes longer than any of these jobs."""
    children = build_decoders()
    yield children
    children.close()


def put(bucket: FolderBucket, content: bytes) -> StoredVersion:
    stored = bucket.put(KEY, content, content_type="video/mp4")
    return StoredVersion(key=KEY, version_id=stored.version_id)


def kill(process_id: int) -> None:
    os.kill(process_id, signal.SIGKILL)
    # Its parent may reap it at any moment.
    wait_until(lambda: not is_running(process_id))


def wait_until(happened: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < ends_at, "it did not happen in ten seconds"
        time.sleep(0.01)


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # What no process waits for stays as a zombie where the first process of a container is none that does.
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # it ended just now, or this system has no such files
    except ProcessLookupError:
        return False  # it ended while its file was read
    return "\nState:\tZ" not in status


def draw_one_frame(folder: Path, *, side_pixels: int) -> bytes:
    """Make a small file whose one frame is large: of 1.5 bytes a pixel."""
    path = folder / "large.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=24)
        stream.width, stream.height, stream.pix_fmt = side_pixels, side_pixels, "yuvj420p"
        frame = av.VideoFrame(side_pixels, side_pixels, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


# The real decoder


def test_one_child_describes_videos_and_refuses_what_is_none(
    bucket: FolderBucket, decoders: Children, moov_first_mp4: bytes
) -> None:
    inspect = ChildInspector(bucket.locate, decoders)
    first = put(bucket, moov_first_mp4)
    inspection = inspect(first)
    assert (inspection.probe.width, inspection.probe.height) == (320, 180)
    assert inspection.thumbnail.startswith(b"RIFF")
    assert inspection.spritesheet.startswith(b"\xff\xd8")
    with pytest.raises(MediaError, match="'moov' box cannot be read"):
        inspect(put(bucket, b"no video" * 100))
    # An earlier version is decoded as well as the newest.
    assert inspect(first) == inspection
    assert len(decoders.process_ids) == 1


@pytest.mark.skipif(not IS_LINUX, reason="no other system holds a limit of the address space")
def test_a_job_that_fills_the_memory_is_told_and_leaves_the_child_at_work(decoders: Children, tmp_path: Path) -> None:
    draw = ChildDrawer(decoders)
    with pytest.raises(ChildFault, match="used up its memory"):
        draw("A lake", width=30_000, height=30_000, seconds=1, path=tmp_path / "huge.mp4")
    draw("A lake", width=64, height=64, seconds=1, path=tmp_path / "small.mp4")
    assert len(decoders.process_ids) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["small.mp4"]


@pytest.mark.skipif(not IS_LINUX, reason="how much memory a process has is read from /proc")
def test_a_video_that_its_decoder_has_no_memory_for_is_not_called_unplayable(
    bucket: FolderBucket, moov_first_mp4: bytes, tmp_path: Path
) -> None:
    with closing(build_decoders()) as fresh:
        ChildInspector(bucket.locate, fresh)(put(bucket, moov_first_mp4))
        [child] = fresh.process_ids
        peak = re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())
    assert peak is not None
    limit = ("sh", "-c", f'ulimit -v {int(peak[1]) + 30_000}; exec "$@"', "sh")
    limited = Children((*limit, *run_module("mediaposter.host.decoder_child")))
    try:
        with pytest.raises(MediaPosterError, match="used up its memory") as raised:
            ChildInspector(bucket.locate, limited)(put(bucket, draw_one_frame(tmp_path, side_pixels=8000)))
        assert not isinstance(raised.value, MediaError)
    finally:
        limited.close()


def test_a_job_has_so_much_cpu_time_even_if_no_host_counts_its_seconds(decoders: Children, tmp_path: Path) -> None:
    drawing = Drawing(prompt="A lake", width=1024, height=1792, seconds=6_000, path=str(tmp_path / "long.mp4"))
    with pytest.raises(ChildFault, match="used up its CPU time"):
        decoders.ask(ChildJob(seconds=0.1, draw=drawing).model_dump_json(), seconds=60)


def test_no_child_outlives_a_host_that_is_killed_in_the_middle_of_a_job(tmp_path: Path) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with host:
        assert host.stdout is not None
        [child] = map(int, host.stdout.readline().split())
        assert is_running(child)
        host.kill()
        host.wait()
        wait_until(lambda: not is_running(child))
    assert not (tmp_path / "long.mp4").exists()


# What is bounded, and what follows from a breakdown


def test_a_breakdown_says_nothing_of_the_file(bucket: FolderBucket, start: Callable[..., Children]) -> None:
    for program in ("import os; input(); os._exit(3)", "input(); print(7)", "input(); print('{}')"):
        inspect = ChildInspector(bucket.locate, start(program))
        with pytest.raises(MediaPosterError, match=KEY) as raised:
            inspect(put(bucket, b"a film"))
        assert not isinstance(raised.value, MediaError)


def test_a_file_that_is_replaced_while_it_is_decoded_is_not_refused(bucket: FolderBucket) -> None:
    stored = put(bucket, b"a film")

    class Replacing(Children):
        def ask(self, job: str, *, seconds: float) -> str:
            put(bucket, b"another film")
            return ChildAnswer(inspected=InspectionReply(refusal="It is no video.")).model_dump_json()

    with pytest.raises(MediaPosterError, match="was replaced or removed") as raised:
        ChildInspector(bucket.locate, Replacing(()))(stored)
    assert not isinstance(raised.value, MediaError)


def test_a_file_that_is_gone_is_not_known_to_be_no_video(bucket: FolderBucket, start: Callable[..., Children]) -> None:
    with pytest.raises(MediaPosterError, match="was replaced or removed"):
        ChildInspector(bucket.locate, start())(StoredVersion(key=KEY, version_id="1-1"))


def test_a_crash_and_a_kill_end_one_job_and_the_next_has_a_new_child(start: Callable[..., Children]) -> None:
    children = start()
    first = children.ask("job", seconds=30)
    with pytest.raises(ChildFault, match="ended by itself, with code 3"):
        children.ask("crash", seconds=30)
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(children.ask, "hang", seconds=30)
        wait_until(lambda: bool(children.process_ids))
        kill(children.process_ids[0])
        with pytest.raises(ChildFault, match="was ended by SIGKILL"):
            hanging.result()
    second = children.ask("job", seconds=30)
    assert first != second
    kill(int(second))  # while it waits
    assert children.ask("job", seconds=30) != second


def test_a_job_that_takes_too_long_is_ended_with_its_child(start: Callable[..., Children]) -> None:
    children = start()
    process_id = int(children.ask("job", seconds=30))
    with pytest.raises(ChildFault, match=r"did not end within 0\.2 seconds"):
        children.ask("hang", seconds=0.2)
    assert not is_running(process_id)
    assert children.ask("job", seconds=30)


def test_a_child_does_so_many_jobs_and_is_then_replaced(start: Callable[..., Children]) -> None:
    children = start(jobs_max=2)
    answers = [children.ask("job", seconds=30) for _ in range(4)]
    assert answers[0] == answers[1] != answers[2] == answers[3]


def test_an_idle_child_ends(start: Callable[..., Children]) -> None:
    children = start(idle_seconds=0.1)
    process_id = int(children.ask("job", seconds=30))
    wait_until(lambda: not children.process_ids)
    wait_until(lambda: not is_running(process_id))
    assert children.ask("job", seconds=30)


def test_many_threads_share_so_many_children(start: Callable[..., Children]) -> None:
    children = start(at_once=2)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: children.ask("work", seconds=30), range(12)))
    assert len(set(answers)) == 2


def test_the_end_of_the_host_ends_its_children_and_what_they_do(start: Callable[..., Children]) -> None:
    children = start()
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(children.ask, "hang", seconds=30)
        wait_until(lambda: bool(children.process_ids))
        [process_id] = children.process_ids
        children.close()
        with pytest.raises(ChildFault):
            hanging.result()
    assert not is_running(process_id)
    with pytest.raises(ChildFault, match="the host is stopping"):
        children.ask("job", seconds=30)


def test_a_child_gets_no_key(start: Callable[..., Children]) -> None:
    environment = {"PATH": os.environ["PATH"], "RUNWAY_API_KEY": "k", "BLOTATO_API_KEY": "k", "AWS_SESSION_TOKEN": "k"}
    names = start(environment=environment).ask("environment", seconds=30).split()
    assert "PATH" in names
    assert not [name for name in names if "KEY" in name or "TOKEN" in name]
