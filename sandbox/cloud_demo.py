"""`make cloud-demo`: the main job once, from an HTTPS request to three posts, on the project's own template."""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.video_object import VideoObject
from sandbox.blotato import ACCOUNTS
from sandbox.cloud import ROOT
from sandbox.world import World, run_world

PROMPT = "A paper boat sails down a rainy street at dusk, neon signs mirrored in the water, slow tracking shot"
DEMO_DIRECTORY = ROOT / ".demo"
_FOLLOW_SECONDS = 0.25
_DEADLINE_SECONDS = 120.0


class DemoFailed(Exception):
    """The main job did not come to its end; the message says where."""


def main() -> None:
    """Run the demo; exit 0 only if the video is kept, whole, and posted everywhere."""
    console = Console()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, so that nothing is left running
    try:
        with (
            console.status("Starting the cloud, building and deploying template.yaml…") as status,
            run_world(DEMO_DIRECTORY / "cloud", wait_scale=0.1) as world,
        ):
            status.stop()
            console.print(f"Deployed to {world.stack.base_url} in {time.monotonic() - started:.0f} s.", soft_wrap=True)
            video = follow_video(console, world)
            summarise(console, video, download(world, video))
    except DemoFailed as error:
        console.print(f"[red]{error}[/red] Logs: {DEMO_DIRECTORY / 'cloud'}", soft_wrap=True)
        sys.exit(1)
    console.print(f"Everything is torn down again. {time.monotonic() - started:.0f} s in all.")


def follow_video(console: Console, world: World) -> VideoObject:
    """Post the prompt and follow it to the last post."""
    stages: list[Stage] = [
        stage for stage in Stage if stage is not Stage.AWAITING_APPROVAL
    ]  # no approval was requested
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with (
        _connect(world) as api,
        Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        ) as progress,
    ):
        video = _read_video(api.post("/videos", json=_build_request()))
        console.print(f"POST /videos → {video.id}")
        bars = {stage: progress.add_task(stage, total=100, note="", start=False) for stage in stages}
        while True:
            for stage in stages[: stages.index(video.stage) + 1]:
                is_over = stage is not video.stage or stage is Stage.DONE
                progress.start_task(bars[stage])
                share = 100 if is_over else video.progress if stage is Stage.RENDERING else 0
                progress.update(bars[stage], completed=share)
                if is_over:
                    progress.stop_task(bars[stage])
            settled = sum(post.status is PostState.PUBLISHED for post in video.posts)
            progress.update(bars[Stage.PUBLISHING], note=f"{settled}/{len(video.posts)}")
            if video.status is VideoStatus.FAILED or video.stage is Stage.DONE:
                return video
            if time.monotonic() > deadline:
                raise DemoFailed(f"{video.id} is still at {video.stage} after {_DEADLINE_SECONDS:.0f} s.")
            time.sleep(_FOLLOW_SECONDS)
            video = _read_video(api.get(f"/videos/{video.id}"))


def download(world: World, video: VideoObject) -> Path:
    """Download the MP4 and compare it with the record."""
    if video.status is not VideoStatus.COMPLETED:
        raise DemoFailed(f"{video.id} failed: {video.error.message if video.error else 'no reason given'}")
    DEMO_DIRECTORY.mkdir(exist_ok=True)
    path = DEMO_DIRECTORY / f"{video.id}.mp4"
    with _connect(world) as api:
        content = api.get(f"/videos/{video.id}/content", follow_redirects=True)
    content.raise_for_status()
    path.write_bytes(content.content)
    if hashlib.sha256(content.content).hexdigest() != video.sha256:
        raise DemoFailed(f"{path} is not what was stored: its sha256 differs.")
    return path


def summarise(console: Console, video: VideoObject, path: Path) -> None:
    """Show what came of it."""
    if video.probe is None:
        raise DemoFailed(f"{video.id} was kept without having been probed.")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("video", video.id)
    table.add_row("model", f"{video.resolved_model} ({video.provider})")
    table.add_row("cost estimate", f"${Decimal(video.cost_estimate_usd):.2f}")
    table.add_row("file", str(path.relative_to(ROOT)))
    table.add_row("bytes", f"{path.stat().st_size:,}")
    table.add_row("sha256", str(video.sha256))
    table.add_row("picture", f"{video.probe.width} × {video.probe.height}")
    table.add_row("seconds", f"{video.probe.duration_ms / 1000:g}")
    table.add_row("codec", f"{video.probe.video_codec} + {video.probe.audio_codec or 'no audio'}")
    for post in video.posts:
        table.add_row(post.platform, f"{post.status}  {post.url or ''}")
    console.print(table)
    unpublished = [post.platform for post in video.posts if post.status is not PostState.PUBLISHED]
    if unpublished:
        raise DemoFailed(f"Not published: {', '.join(unpublished)}.")


def _build_request() -> dict[str, object]:
    return {
        "prompt": PROMPT,
        "model": "sora-2",
        "seconds": "4",
        "size": "720x1280",
        "publish": [
            {"platform": "instagram", "account_id": ACCOUNTS["instagram"].id, "text": "Paper boat #ai"},
            {"platform": "tiktok", "account_id": ACCOUNTS["tiktok"].id, "privacy_level": "PUBLIC_TO_EVERYONE"},
            {"platform": "youtube", "account_id": ACCOUNTS["youtube"].id, "title": "A paper boat in the rain"},
        ],
    }


def _connect(world: World) -> httpx.Client:
    return httpx.Client(
        base_url=world.stack.base_url, headers={"Authorization": f"Bearer {world.stack.api_key}"}, timeout=30
    )


def _read_video(answer: httpx.Response) -> VideoObject:
    if not answer.is_success:
        raise DemoFailed(f"The API answered {answer.status_code}: {answer.text[:500]}")
    return VideoObject.model_validate_json(answer.content)


if __name__ == "__main__":
    main()
