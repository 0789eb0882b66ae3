"""`mediaposter list`, `show`, `watch`, `download`, `cancel`, `delete`: the videos of a stack."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from mediaposter.cli.api import Api, api_command
from mediaposter.cli.batch_end import end_batch
from mediaposter.cli.client import Answer
from mediaposter.cli.console import open_console, write_note, write_table
from mediaposter.cli.files import choose_path, fetch
from mediaposter.cli.follow import follow_batch, follow_video
from mediaposter.cli.generate import Force, Output, end, fetch_video
from mediaposter.cli.options import create_group
from mediaposter.cli.posts import PostTarget, cancel_posts
from mediaposter.cli.replies import Page, VideoView
from mediaposter.cli.video_id import VideoId, find_video
from mediaposter.cli.video_text import describe, tabulate
from mediaposter.domain.errors import ConfigurationError

_PAGE_MAX = 100

app = create_group("The videos of a stack.")


class Variant(StrEnum):
    """The files of a stored video."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"


_ENDINGS = {Variant.VIDEO: ".mp4", Variant.THUMBNAIL: ".webp", Variant.SPRITESHEET: ".jpg"}

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@api_command(app, "list")
def list_videos(
    api: Api,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, the newest first.")] = 20,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="queued, in_progress, completed or failed.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="STAGE", help="As rendering, awaiting_approval or done.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model that makes them.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", metavar="TEXT", help="What their prompts contain.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="BATCH", help="Those of a batch.")] = None,
) -> None:
    """List your videos, the newest first."""
    filters = {"status": status, "stage": stage, "model": model, "prompt": prompt, "batch_id": batch}
    asked = {name: value for name, value in filters.items() if value is not None}
    found: list[JsonValue] = []
    has_more, after = True, ""
    while has_more and len(found) < limit:
        page_size = {"limit": str(min(limit - len(found), _PAGE_MAX))}
        answer = api.client.get("/videos", {**asked, **page_size, **({"after": after} if after else {})})
        page = Page[VideoView].model_validate(answer.body)
        rows = answer.body.get("data")
        found += rows if isinstance(rows, list) else []
        has_more, after = page.has_more and bool(page.data), page.last_id or (page.data[-1].id if page.data else "")
    if api.as_json:
        api.write_json({"object": "list", "data": found, "has_more": has_more})
        return
    if not found:
        api.say(
            "No video is like that."
            if asked
            else 'There is no video yet. Make one: mediaposter generate "A paper boat"'
        )
        return
    videos = [VideoView.model_validate(row) for row in found]
    write_table(tabulate(videos, now=api.session.clock().timestamp(), columns=open_console().width))
    if has_more:
        write_note(f"There are more: --limit {limit * 5}")


@api_command(app, "show")
def show_video(api: Api, video: VideoId) -> None:
    """Show one video, its posts and its warnings."""
    answer = api.client.get(f"/videos/{find_video(api, video)}")
    if api.as_json:
        api.write_json(answer.body)
    else:
        write_table(describe(VideoView.model_validate(answer.body)))


@api_command(app, "watch")
def watch_video(
    api: Api,
    video: Annotated[str, typer.Argument(metavar="VIDEO|BATCH", help="Its id, or last, the newest video.")],
    *,
    output: Output = None,
    force: Force = False,
) -> None:
    """Follow a video or a batch until it is over; with --json a line of JSON for each change."""
    if video.startswith("batch_"):
        end_batch(api, follow_batch(api, video), output=output, is_forced=force)
        return
    video_id = find_video(api, video)
    if output is not None:
        choose_path(output, f"{video_id}.mp4", is_forced=force)
    body = follow_video(api, video_id)
    seen = VideoView.model_validate(body)
    if output is not None and seen.status == "completed":
        write_note(f"Saved {fetch_video(api, seen, choose_path(output, f'{video_id}.mp4', is_forced=force))}.")
    end(api, body)


@api_command(app, "download")
def download_video(
    api: Api,
    video: VideoId,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE|DIR", help="Default: VIDEO.mp4, here.")
    ] = None,
    variant: Annotated[Variant, typer.Option("--variant", help="Which of its files.")] = Variant.VIDEO,
    force: Force = False,
) -> None:
    """Fetch the MP4 of a stored video, or one of its pictures."""
    video_id = find_video(api, video)
    seen = VideoView.model_validate(api.client.get(f"/videos/{video_id}").body)
    if seen.status == "failed":
        reason = f": {seen.error.message}" if seen.error else "."
        raise ConfigurationError(f"{video_id} failed, so there is no file{reason}")
    if seen.status != "completed":
        raise ConfigurationError(
            f"{video_id} is not done: {seen.state}. mediaposter watch {video_id} --output FILE waits for it."
        )
    path = choose_path(output, f"{video_id}{_ENDINGS[variant]}", is_forced=force)
    if variant is Variant.VIDEO:
        saved = fetch_video(api, seen, path)
    else:
        saved = fetch(api.client, f"/videos/{video_id}/content", {"variant": variant.value}, path)
    if api.as_json:
        api.write_json({"object": "file", "video_id": video_id, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        api.say(f"Saved {saved}.")


@api_command(app, "cancel")
def cancel_video(api: Api, video: VideoId, *, post: PostTarget = None, yes: Yes = False) -> None:
    """Stop a video that is being made, or take back its scheduled posts.

    The API forgets a video that is stopped. What its provider has begun may still be charged.
    """
    video_id = find_video(api, video)
    seen = VideoView.model_validate(api.client.get(f"/videos/{video_id}").body)
    # A stored video is not thrown away because its posts are to stop.
    if post is None and seen.status in {"queued", "in_progress"}:
        _confirm(api, f"Stop {video_id}, which is {seen.state}? Its record goes, too.", is_sure=yes)
        _delete(api, video_id, "stopped and removed")
        return
    cancel_posts(api, seen, post)


@api_command(app, "delete")
def delete_video(api: Api, video: VideoId, *, yes: Yes = False) -> None:
    """Remove a video, its files and its record; what is posted stays public."""
    video_id = find_video(api, video)
    _confirm(api, f"Remove {video_id} and its files?", is_sure=yes)
    _delete(api, video_id, "removed")


def _delete(api: Api, video_id: str, what: str) -> None:
    answer: Answer = api.client.delete(f"/videos/{video_id}")
    if api.as_json:
        api.write_json(answer.body)
    else:
        api.say(f"{video_id} is {what}.")


def _confirm(api: Api, question: str, *, is_sure: bool) -> None:
    """Ask a person; a script says --yes.

    Raises:
        typer.Exit: the answer is no.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        api.context.fail("there is no terminal to confirm it: say --yes")
    if not typer.confirm(question, err=True):
        write_note("Nothing was changed.")
        raise typer.Exit(1)
