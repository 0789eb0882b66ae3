"""`make demo`: the main job once, on the host of this machine: a request, an MP4, three posts.

No provider and no Blotato is asked: the host gets no key, so it draws the clip itself and pretends the posts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from openai import OpenAI
from pydantic import BaseModel, ConfigDict

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.cli.console import open_console
from mediaposter.host.pretend.publisher import ACCOUNTS
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.video_object import VideoObject

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".demo"
PROMPT = "A paper boat sails down a rainy street at dusk, neon signs mirrored in the water, slow tracking shot"
_START_SECONDS = 60.0
_DEADLINE_SECONDS = 120.0
_STOP_SECONDS = 30.0
_FOLLOW_SECONDS = 0.1
# What a process needs; keys, which would make it real, are not among them.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "USERPROFILE", "LOCALAPPDATA")


class DemoFailed(Exception):
    """The main job did not come to its end; the message says where."""


class Address(BaseModel):
    """What a host writes into `host.json` of its data folder."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base_url: str
    api_key: str
    process_id: int


class Steps:
    """Prints each step with the seconds since `make` was called; a pipe shows them at once, too."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._console = open_console()

    def say(self, sentence: str) -> None:
        """Print a step."""
        self.show(f"[{time.time() - self._started_at:5.1f} s] {sentence}")

    def show(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line)


def main() -> None:
    """Run the demo; exit 0 only if the video is kept, whole, and posted everywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--started-at", type=float, default=time.time(), help="when make began, in seconds since 1970")
    steps = Steps(parser.parse_args().started_at)
    warnings.filterwarnings("ignore", message="The Sora API", category=DeprecationWarning)  # it means OpenAI's
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with run_host(steps) as address:
            client = OpenAI(base_url=address.base_url, api_key=address.api_key)
            video = follow_video(steps, client)
            path = download(steps, client, video)
            summarise(steps, video, path)
    except DemoFailed as failure:
        steps.say(f"{failure} The log: {_show(FOLDER / 'data' / 'log' / 'host.log')}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    steps.say("All done. Next: make up, which serves the API until Ctrl-C, with your keys if .env has some.")


@contextmanager
def run_host(steps: Steps) -> Iterator[Address]:
    """Run `mediaposter up` while the block runs."""
    data = FOLDER / "data"
    data.mkdir(parents=True, exist_ok=True)
    # A tenth of each wait: no vendor is asked, so longer waits gain nothing.
    options = ["up", "--data", str(data), "--port", "0", "--wait-scale", "0.1"]
    steps.say(f"Starting MediaPoster: mediaposter {' '.join(options).replace(str(data), _show(data))}")
    with (FOLDER / "host.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mediaposter", *options],
            stdout=output,
            stderr=output,
            cwd=FOLDER,  # where there is no .env
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,  # Ctrl-C is for this program, which ends the other
        )
        try:
            address = _await_address(data / "host.json", process)
            steps.say(
                f"It answers at {address.base_url}. It has no key of a provider or of Blotato: all of this is free."
            )
            yield address
            steps.say("Stopping MediaPoster.")
        except KeyboardInterrupt:
            steps.say(f"Interrupted. Ending MediaPoster (process {process.pid}); what it made stays in {_show(data)}.")
            raise
        finally:
            _end(process)


def follow_video(steps: Steps, client: OpenAI) -> VideoObject:
    """Request a video with three posts, and follow it until they are out."""
    publish = [
        {"platform": "instagram", "account_id": _find_account("instagram"), "text": "Paper boat #ai"},
        {"platform": "tiktok", "account_id": _find_account("tiktok"), "privacy_level": "PUBLIC_TO_EVERYONE"},
        {"platform": "youtube", "account_id": _find_account("youtube"), "title": "A paper boat in the rain"},
    ]
    created = client.videos.create(
        prompt=PROMPT, model="sora-2", seconds="4", size="720x1280", extra_body={"publish": json.dumps(publish)}
    )
    video = _read(created)
    steps.say(
        f"client.videos.create: {video.id}, a clip of {video.seconds} s by {video.resolved_model}, and three posts"
    )
    ends_at = time.monotonic() + _DEADLINE_SECONDS
    shown: tuple[Stage, int] | None = None
    while True:
        published = sum(post.status is PostState.PUBLISHED for post in video.posts)
        if shown != (video.stage, published):
            shown = (video.stage, published)
            steps.say(f"{video.stage}" + (f": {published} of 3 posts, pretended" if published else ""))
        if video.stage is Stage.DONE or video.status is VideoStatus.FAILED:
            return video
        if time.monotonic() > ends_at:
            raise DemoFailed(f"{video.id} is still at {video.stage} after {_DEADLINE_SECONDS:.0f} s.")
        time.sleep(_FOLLOW_SECONDS)
        video = _read(client.videos.retrieve(video.id))


def download(steps: Steps, client: OpenAI, video: VideoObject) -> Path:
    """Download the MP4 and compare it with the record."""
    if video.status is not VideoStatus.COMPLETED:
        raise DemoFailed(f"{video.id} failed: {video.error.message if video.error else 'no reason given'}")
    path = FOLDER / f"{video.id}.mp4"
    client.videos.download_content(video.id).write_to_file(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != video.sha256:
        raise DemoFailed(f"{_show(path)} is not what was stored: its sha256 differs.")
    steps.say(f"client.videos.download_content: {_show(path)}")
    return path


def summarise(steps: Steps, video: VideoObject, path: Path) -> None:
    """Show what came of it."""
    if video.probe is None:
        raise DemoFailed(f"{video.id} was kept without having been decoded.")
    probe = video.probe
    rows = [
        ("video", f"{probe.width} x {probe.height}, {probe.duration_ms / 1000:g} s, {probe.video_codec}"),
        ("file", f"{path.stat().st_size:,} bytes, sha256 as recorded: {str(video.sha256)[:16]}..."),
        *((post.platform, f"{post.status}, pretended: {post.url or ''}") for post in video.posts),
        *(("note", warning) for warning in video.warnings),
    ]
    for line in ("", *(f"  {name:<11}{value}" for name, value in rows), ""):
        steps.show(line)
    missing = [post.platform for post in video.posts if post.status is not PostState.PUBLISHED]
    if missing:
        raise DemoFailed(f"Not published: {', '.join(missing)}.")


def _await_address(path: Path, process: subprocess.Popen[bytes]) -> Address:
    ends_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise DemoFailed(f"MediaPoster ended: {(FOLDER / 'host.txt').read_text().strip()[-1_000:]}")
        # A host that was killed leaves its file behind.
        if path.is_file() and (found := Address.model_validate_json(path.read_text())).process_id == process.pid:
            return found
        time.sleep(_FOLLOW_SECONDS)
    raise DemoFailed(f"MediaPoster did not start within {_START_SECONDS:.0f} s.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # the next start on the folder carries on
        process.wait()


def _find_account(platform: str) -> str:
    return next(account.account_id for account in ACCOUNTS if account.platform == platform)


def _read(video: BaseModel) -> VideoObject:
    """Read the SDK's video with the fields that the SDK does not know."""
    return VideoObject.model_validate(video.model_dump(exclude_unset=True))


def _show(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
