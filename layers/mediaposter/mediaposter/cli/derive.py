"""`mediaposter remix`, `edit`, `extend`: make a new video from a finished one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias

import typer
from pydantic import JsonValue

from mediaposter.cli.accounts_hint import refuse_without_accounts
from mediaposter.cli.api import Api, api_command
from mediaposter.cli.client import Document
from mediaposter.cli.generate import (
    Approval,
    Force,
    IdempotencyKey,
    Output,
    Publish,
    Schedule,
    Text,
    Title,
    Wait,
    plan_output,
    request_and_follow,
)
from mediaposter.cli.options import create_group
from mediaposter.cli.targets import Target, write_targets
from mediaposter.cli.video_id import VideoId, find_video

app = create_group("Make a new video from a finished one.")

Prompt: TypeAlias = Annotated[str, typer.Argument(metavar="PROMPT", help="What is to be different.")]


class _Posting(NamedTuple):
    """Where the new video is posted."""

    targets: list[Target]
    text: str | None
    title: str | None
    schedule: str | None
    approval: bool | None

    def write(self) -> Document:
        fields: dict[str, JsonValue] = {
            "text": self.text,
            "title": self.title,
            "publish": write_targets(self.targets, time=self.schedule, title=self.title) or None,
            "approval": None if self.approval is None else "required" if self.approval else "none",
        }
        return {name: value for name, value in fields.items() if value is not None}


class _Order(NamedTuple):
    """What is made from which video, and where it is posted."""

    video: str
    fields: Document
    posting: _Posting


@api_command(app, "remix")
def remix(
    api: Api,
    video: VideoId,
    prompt: Prompt,
    *,
    publish: Publish = None,
    text: Text = None,
    title: Title = None,
    schedule: Schedule = None,
    approval: Approval = None,
    wait: Wait = True,
    output: Output = None,
    force: Force = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Make a new video from a finished one and a changed prompt."""
    order = _Order(video, {"prompt": prompt}, _Posting(publish or [], text, title, schedule, approval))
    _make(api, "remix", order, idempotency_key, wait=wait, output=output, is_forced=force)


@api_command(app, "edit")
def edit(
    api: Api,
    video: VideoId,
    prompt: Prompt,
    *,
    publish: Publish = None,
    text: Text = None,
    title: Title = None,
    schedule: Schedule = None,
    approval: Approval = None,
    wait: Wait = True,
    output: Output = None,
    force: Force = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Change something in a finished video, where its model can; the rest stays, and so does the first video."""
    order = _Order(video, {"prompt": prompt}, _Posting(publish or [], text, title, schedule, approval))
    _make(api, "edits", order, idempotency_key, wait=wait, output=output, is_forced=force)


@api_command(app, "extend")
def extend(
    api: Api,
    video: VideoId,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="How it goes on.")],
    *,
    seconds: Annotated[int, typer.Option("--seconds", min=1, max=60, help="How much longer it gets.")] = 4,
    publish: Publish = None,
    text: Text = None,
    title: Title = None,
    schedule: Schedule = None,
    approval: Approval = None,
    wait: Wait = True,
    output: Output = None,
    force: Force = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Let a finished video go on, where its model can: the new one has both parts."""
    posting = _Posting(publish or [], text, title, schedule, approval)
    order = _Order(video, {"prompt": prompt, "seconds": str(seconds)}, posting)
    _make(api, "extensions", order, idempotency_key, wait=wait, output=output, is_forced=force)


def _make(
    api: Api,
    kind: Literal["remix", "edits", "extensions"],
    order: _Order,
    idempotency_key: str | None,
    *,
    wait: bool,
    output: Path | None,
    is_forced: bool,
) -> None:
    """Check what can be checked here, then ask for the new video and follow it."""
    path = plan_output(api, output, wait=wait, is_forced=is_forced)
    refuse_without_accounts(api, order.posting.targets)
    source = find_video(api, order.video)
    fields = {**order.fields, **order.posting.write()}
    if kind == "remix":
        route, body = f"/videos/{source}/remix", fields
    else:
        route, body = f"/videos/{kind}", {"video": {"id": source}, **fields}
    request_and_follow(api, route, body, idempotency_key, wait=wait, path=path, is_forced=is_forced)
