"""Videos are decoded in child processes, which are bounded, reused and replaced."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mediaposter.domain.errors import MediaError, MediaPosterError
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.children import ChildFault, Children
from mediaposter.host.decoder import ChildInspector, build_decoders
from mediaposter.host.links import Links
from mediaposter.media.inspection import StoredVersion

KEY = "videos/video_1/video.mp4"

# Programs that stand for the decoder. They answer a line with a line; the first word of the job says how.
ECHO = """
import os, sys, time
for line in sys.stdin:
    word = line.split()[0]
    if word == "hang":
        time.sleep(60)
    elif word == "crash":
        os._exit(3)
    elif word == "wait":
        time.sleep(0.05)
    print(os.getpid(), flush=True)
"""


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "files", Links(bytes(32), lambda: "http://127.0.0.1"))


@pytest.fixture
def start() -> Iterator[Callable[..., Children]]:
    """Give a function that starts children of the small program; they end with the test."""
    started: list[Children] = []

    def make(**options: float) -> Children:
        children = Children((sys.executable, "-S", "-c", ECHO), **options)  # type: ignore[arg-type]
        started.append(children)
        return children

    yield make
    for children in started:
        children.close()


def put(bucket: FolderBucket, content: bytes) -> StoredVersion:
    stored = bucket.put(KEY, content, content_type="video/mp4")
    return StoredVersion(key=KEY, version_id=stored.version_id)


def test_a_child_describes_a_video_and_refuses_what_is_none(bucket: FolderBucket, moov_first_mp4: bytes) -> None:
    children = build_decoders()
    try:
        inspect = ChildInspector(bucket.locate, children)
        inspection = inspect(put(bucket, moov_first_mp4))
        assert (inspection.probe.width, inspection.probe.height) == (320, 180)
        assert inspection.thumbnail.startswith(b"RIFF")
        assert inspection.spritesheet.startswith(b"\xff\xd8")
        with pytest.raises(MediaError, match="'moov' box cannot be read"):
            inspect(put(bucket, b"no video" * 100))
        # One child did both.
        [process_id] = children.process_ids
        os.kill(process_id, signal.SIGKILL)
        os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)
        assert inspect(put(bucket, moov_first_mp4)) == inspection
    finally:
        children.close()


def test_a_child_that_is_killed_in_the_middle_says_nothing_of_the_file(
    bucket: FolderBucket, start: Callable[..., Children]
) -> None:
    children = start()
    pids: list[int] = []

    def kill() -> None:
        while not children.process_ids:
            time.sleep(0.01)
        pids.extend(children.process_ids)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ChildFault, match="was ended by SIGKILL"):
        children.ask("hang", seconds=30)
    killer.join()
    assert children.process_ids == []


def test_a_fault_of_the_child_keeps_the_video(bucket: FolderBucket, start: Callable[..., Children]) -> None:
    stored = put(bucket, b"a film")
    inspect = ChildInspector(bucket.locate, start(), seconds=0.2)
    # The small program does not read such a job, and answers what is no answer.
    with pytest.raises(MediaPosterError) as raised:
        inspect(stored)
    assert not isinstance(raised.value, MediaError)


def test_a_job_that_takes_too_long_ends_its_child_alone(start: Callable[..., Children]) -> None:
    children = start()
    with pytest.raises(ChildFault, match="did not end within"):
        children.ask("hang", seconds=0.2)
    assert children.ask("job", seconds=30)
