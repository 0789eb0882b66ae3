"""`mediaposter generate`: ask for a video, follow it, and fetch it."""

from __future__ import annotations

import base64
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from pydantic import JsonValue

from mediaposter.cli.accounts_hint import refuse_without_accounts
from mediaposter.cli.api import Api, api_command
from mediaposter.cli.client import Answer, Document, Unreachable
from mediaposter.cli.console import write_note
from mediaposter.cli.files import Expected, choose_path, fetch
from mediaposter.cli.follow import follow_video
from mediaposter.cli.options import create_group, read_dollars, write_dollars
from mediaposter.cli.replies import Estimate, UploadView, VideoView
from mediaposter.cli.targets import Target, read_target, read_time, write_targets
from mediaposter.cli.video_text import describe_end
from mediaposter.domain.errors import ConfigurationError

_FAILED = 1
# A JSON body may have about 6 MB, and base64 takes a third more; larger pictures are uploaded.
_INLINE_MAX_BYTES = 3_000_000
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}

app = create_group("Ask for a video.")


class Captions(StrEnum):
    """How captions come about that no one wrote."""

    WRITE = "write"


Publish: TypeAlias = Annotated[
    list[Target] | None,
    typer.Option(
        "--publish",
        parser=read_target,
        metavar="NETWORK:ACCOUNT",
        help="Post it there, as instagram:807; may be repeated. Fields of the network follow: "
        "tiktok:904,privacy_level=SELF_ONLY. Without an account: list those of the network.",
    ),
]
Text: TypeAlias = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="The caption. Default: the prompt.")
]
WrittenCaptions: TypeAlias = Annotated[
    Captions | None,
    typer.Option(
        "--captions",
        help="Have a model write the caption of each network. Where it cannot, it is the --text, or else the prompt.",
    ),
]
MaxCost: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-cost", parser=read_dollars, metavar="USD", help="Refuse a video that may cost more, as 0.50."),
]
Title: TypeAlias = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help="The title, which YouTube requires.")
]
Schedule: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--schedule", parser=read_time, metavar="TIME", help="When to post: 2026-12-24T18:00, or next for a free slot."
    ),
]
Approval: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--approval/--no-approval", help="Whether a person approves it before it is posted.", show_default=False
    ),
]
Wait: TypeAlias = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until it is done.")]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE|DIR", help="Where to put the MP4 when it is done.")
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="TEXT", help="Run twice with the same, it makes one video. Lasts a day."),
]


@api_command(app, "generate")
def generate(
    api: Api,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What the video shows.")],
    *,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="As mediaposter models lists. Default: sora-2.")
    ] = None,
    seconds: Annotated[int | None, typer.Option("--seconds", min=1, help="Its length. Default: 4.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Default: 720x1280.")] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="FILE|URL", help="The first frame: PNG, JPEG or WebP.")
    ] = None,
    publish: Publish = None,
    text: Text = None,
    title: Title = None,
    captions: WrittenCaptions = None,
    schedule: Schedule = None,
    approval: Approval = None,
    max_cost: MaxCost = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be and cost.")] = False,
    wait: Wait = True,
    output: Output = None,
    force: Force = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Make a video, and post it if you say where."""
    targets = publish or []
    path = plan_output(api, output, wait=wait, is_forced=force, is_dry_run=dry_run)
    refuse_without_accounts(api, targets)
    if schedule is not None and not targets:
        api.context.fail("--schedule says when to post, so say where with --publish")
    if captions is not None and not targets:
        api.context.fail("--captions is for posts, so say where with --publish")
    body: Document = {
        "prompt": prompt,
        **{
            name: value
            for name, value in {
                "model": model,
                "seconds": None if seconds is None else str(seconds),
                "size": size,
                "text": text,
                "title": title,
                "captions": captions,
                "max_cost_usd": None if max_cost is None else write_dollars(max_cost),
                "publish": write_targets(targets, time=schedule, title=title) or None,
                "approval": None if approval is None else "required" if approval else "none",
                "input_reference": None if image is None else _read_image(api, image),
            }.items()
            if value is not None
        },
    }
    if dry_run:
        _write_estimate(api, body)
        return
    request_and_follow(api, "/videos", body, idempotency_key, wait=wait, path=path, is_forced=force)


def fetch_video(api: Api, video: VideoView, path: Path) -> str:
    """Fetch the MP4 of a stored video. Returns where it is, in words."""
    return fetch(api.client, f"/videos/{video.id}/content", {}, path, Expected(video.size_bytes, video.sha256))


def end(api: Api, body: Document) -> None:
    """Write how a video ended; a failure of it or of a post is exit status 1."""
    video = VideoView.model_validate(body)
    if api.as_json:
        if api.context.info_name != "watch":
            api.write_json(body)
    else:
        for line in describe_end(video):
            api.say(line)
    if video.status == "failed" or video.failed_posts:
        if api.as_json:
            for line in describe_end(video):
                write_note(line)
        raise typer.Exit(_FAILED)


def plan_output(api: Api, output: Path | None, *, wait: bool, is_forced: bool, is_dry_run: bool = False) -> Path | None:
    """Check where the file goes before a video is asked for; a folder gets a name when the video has one."""
    if output is None or is_dry_run:
        return output
    if not wait:
        api.context.fail("--output needs the video to be done, so leave out --no-wait; or use mediaposter download")
    choose_path(output, "video.mp4" if not output.is_dir() else f".{uuid.uuid4().hex}", is_forced=is_forced)
    return output


def request_and_follow(
    api: Api, route: str, body: Document, named_key: str | None, *, wait: bool, path: Path | None, is_forced: bool
) -> None:
    """Ask for a video once, and follow it. Raises as `Client.post`, and `typer.Exit` as `end`."""
    key = named_key or str(uuid.uuid4())
    answer = _request(api, route, body, key)
    video = VideoView.model_validate(answer.body)
    write_note(f"{video.id} is requested of {video.resolved_model or video.model}.")
    for warning in video.warnings:
        write_note(f"Note: {warning}")
    if not wait:
        if api.as_json:
            api.write_json(answer.body)
        else:
            api.say(video.id)
            write_note(f"Follow it with:  mediaposter watch {video.id}")
        return
    body = follow_video(api, video.id, first=answer)
    video = VideoView.model_validate(body)
    if path is not None and video.status == "completed":
        write_note(f"Saved {fetch_video(api, video, choose_path(path, f'{video.id}.mp4', is_forced=is_forced))}.")
    end(api, body)
    if path is None and video.status == "completed" and not video.waits_for_person:
        write_note(f"Fetch it with:  mediaposter download {video.id}")


def _request(api: Api, route: str, body: Document, key: str) -> Answer:
    try:
        return api.client.post(route, body, idempotency_key=key)
    except KeyboardInterrupt:
        write_note(
            f"\nThe request may have been accepted. See mediaposter list, or run it again with "
            f"--idempotency-key {key}: that never makes a second video."
        )
        raise typer.Exit(130) from None
    except Unreachable as error:
        if not error.was_sent:
            raise
        raise Unreachable(
            f"{str(error).removesuffix(' Run the command again.')} The request may have been accepted. Run it again "
            f"with --idempotency-key {key}: that never makes a second video.",
            was_sent=True,
        ) from error


def _read_image(api: Api, image: str) -> JsonValue:
    if image.startswith("https://"):
        return {"image_url": image}
    path = Path(image)
    content_type = _PICTURES.get(path.suffix.lower())
    if content_type is None:
        raise ConfigurationError(f"{image} is no picture: its name must end in {', '.join(_PICTURES)}.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{image} cannot be read: {error.strerror}.") from error
    if len(content) <= _INLINE_MAX_BYTES:
        return {"image_url": f"data:{content_type};base64,{base64.b64encode(content).decode()}"}
    return {"upload_id": upload(api, content, content_type)}


def upload(api: Api, content: bytes, content_type: str) -> str:
    """Upload a file, and return its id for a request.

    Raises:
        Refusal: the API, or the store, does not take it.
    """
    asked: Document = {"content_type": content_type, "size_bytes": len(content)}
    place = UploadView.model_validate(api.client.post("/uploads", asked, is_repeatable=True).body)
    api.client.upload(place.url, place.headers, content)
    return place.id


def _write_estimate(api: Api, body: Document) -> None:
    answer = api.client.post("/videos", body, params={"dry_run": "true"}, is_repeatable=True)
    if api.as_json:
        api.write_json(answer.body)
        return
    estimate = Estimate.model_validate(answer.body)
    for number, candidate in enumerate(estimate.candidates):
        who = "Made by" if number == 0 else "Else by"
        api.say(
            f"{who} {candidate.model} of {candidate.provider}: {candidate.seconds} s, {candidate.size}, about "
            f"${candidate.cost_estimate_usd}."
        )
        for warning in candidate.warnings:
            api.say(f"  Note: {warning}")
    api.say(f"${estimate.reserved_usd} would be reserved of the day's budget. Nothing was requested.")
