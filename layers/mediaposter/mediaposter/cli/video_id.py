"""Which video a command means: its id, or `last`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from mediaposter.cli.api import Api
from mediaposter.cli.replies import Page, VideoView
from mediaposter.domain.errors import ConfigurationError

LAST = "last"

VideoId: TypeAlias = Annotated[
    str, typer.Argument(metavar="VIDEO", help="Its id, as mediaposter list shows it; or last, the newest.")
]


def find_video(api: Api, name: str) -> str:
    """Return the id of a video; a slip of the hand is told before it is sent.

    Raises:
        ConfigurationError: there is no video yet.
        typer.UsageError: it is no id.
    """
    if name == LAST:
        page = Page[VideoView].model_validate(api.client.get("/videos", {"limit": "1"}).body)
        if not page.data:
            raise ConfigurationError('There is no video yet. Make one: mediaposter generate "A paper boat"')
        return page.data[0].id
    if not name.startswith("video_") or not name.isascii() or not name.replace("_", "").isalnum():
        hint = f"; for a batch: mediaposter batch show {name}" if name.startswith("batch_") else ""
        api.context.fail(f"{name} is no id of a video: they begin with video_{hint}")
    return name
