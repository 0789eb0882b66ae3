"""A host on a folder, without any key: its threads, its children and its files, but no socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.app import OWNER, Host
from mediaposter.host.environment import read_environment
from mediaposter.host.outbox import Kind, Outbox
from mediaposter.host.pretend.sandbox_provider import SandboxJob
from mediaposter.stores.posts import PostState
from mediaposter.wire.caller import Caller
from tests.builders import NOW, a_caller, a_request

POSTED: dict[str, Any] = {"publish": [{"platform": "twitter", "account_id": "901", "text": "A red kite"}]}
ME = a_caller(owner=OWNER)
SECONDS = 60.0


def open_host(folder: Path, *, wait_scale: float = 0.05, **variables: str) -> Host:
    environment, settings = read_environment(variables, None)
    return Host(
        folder,
        environment=environment,
        settings=settings,
        public_url=lambda: "http://127.0.0.1:4600",
        wait_scale=wait_scale,
    )


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Host]:
    with open_host(folder, **options) as host:
        host.start()
        yield host


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def submit(host: Host, caller: Caller = ME, **fields: Any) -> str:
    return host.stack.submit_video(a_request(model="sandbox-1", **fields), caller=caller).video.id


def has_completed(host: Host, video_id: str) -> bool:
    return host.stack.videos.get(video_id, caller=ME).status == "completed"


def read_jobs(folder: Path) -> list[SandboxJob]:
    return [SandboxJob.model_validate_json(path.read_text()) for path in (folder / "sandbox" / "videos").glob("*.json")]


def test_without_a_key_a_video_is_drawn_stored_and_posted_for_nobody_to_see(tmp_path: Path) -> None:
    with running(tmp_path) as host:
        video_id = submit(host, **POSTED)
        wait_until(lambda: has_completed(host, video_id))
        wait_until(lambda: host.stack.posts.list_unchecked(video_id)[0].state is PostState.PUBLISHED)

        assert host.bucket.head(f"videos/{video_id}/video.mp4").size_bytes > 1_000


def test_a_host_that_is_closed_leaves_no_thread_and_no_lock(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with running(tmp_path) as host:
        submit(host)

    wait_until(lambda: set(threading.enumerate()) <= before)
    open_host(tmp_path).close()


def test_what_was_under_way_at_the_close_is_carried_on_and_asked_for_once(tmp_path: Path) -> None:
    with running(tmp_path, wait_scale=0.5) as host:
        video_id = submit(host, **POSTED)
        wait_until(lambda: read_jobs(tmp_path) != [])

    with open_host(tmp_path) as host:
        assert host.start() == 1
        wait_until(lambda: has_completed(host, video_id))

    assert len(read_jobs(tmp_path)) == 1


@pytest.mark.parametrize("damaged", ["secrets.json", "mediaposter.sqlite", "sandbox"])
def test_a_host_that_cannot_open_gives_the_folder_back(tmp_path: Path, damaged: str) -> None:
    (tmp_path / damaged).write_text("no such thing")
    with pytest.raises((ConfigurationError, OSError)) as refusal:
        open_host(tmp_path)

    (tmp_path / damaged).unlink()
    open_host(tmp_path).close()
    assert refusal.tb is not None, "which keeps what was opened alive"


def test_the_key_stays_until_it_is_revoked(tmp_path: Path) -> None:
    with open_host(tmp_path) as host:
        first = host.ensure_key()
        key = host.stack.keys.find(first)
        assert key is not None
    with open_host(tmp_path) as host:
        assert host.ensure_key() == first
        host.stack.keys.revoke(key.key_id, now=NOW)

        assert host.ensure_key() != first


class Receiver:
    """A receiver of webhooks that does not answer until it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, *_: object, **__: object) -> int:
        self.asked.set()
        self.may_answer.wait(SECONDS)
        return 200


def submit_to(host: Host, receiver: Receiver) -> None:
    """Submit a video whose first event hangs at its receiver."""
    host.edges.post_json = receiver
    submit(host, a_caller(owner=OWNER, webhook_url="https://receiver.example/hook"))
    assert receiver.asked.wait(SECONDS)


def test_a_receiver_that_does_not_answer_keeps_no_video_from_its_slot(tmp_path: Path) -> None:
    receiver = Receiver()
    with running(tmp_path, PROVIDER_CONCURRENCY="sandbox=1") as host:
        submit_to(host, receiver)
        waiting = [submit(host) for _ in range(2)]

        wait_until(lambda: all(has_completed(host, video_id) for video_id in waiting))
        receiver.may_answer.set()


def test_a_close_waits_for_the_call_that_is_being_made(tmp_path: Path) -> None:
    receiver = Receiver()
    host = open_host(tmp_path)
    host.start()
    submit_to(host, receiver)
    closing = threading.Thread(target=host.close)
    closing.start()
    closing.join(0.3)
    assert closing.is_alive()

    receiver.may_answer.set()
    closing.join(SECONDS)

    assert not closing.is_alive()
    with open_host(tmp_path) as after:
        assert Outbox(after.edges.table._database).next_in([Kind.WEBHOOK]) is None, "it was delivered, and noted"


def test_a_render_that_no_video_needs_is_cancelled_at_its_provider(tmp_path: Path) -> None:
    with running(tmp_path) as host:
        video_id = submit(host, prompt="A kite [video: never_finish]")
        wait_until(lambda: host.stack.videos.get(video_id, caller=ME).provider_job_id is not None)

        host.stack.delete_video(video_id, caller=ME)

        wait_until(lambda: read_jobs(tmp_path)[0].error_code == "cancelled")
