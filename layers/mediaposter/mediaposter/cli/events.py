"""`mediaposter events`: who did what to a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue
from rich.table import Table

from mediaposter.cli.api import Api, api_command
from mediaposter.cli.console import create_table, describe_moment, write_table
from mediaposter.cli.options import create_group
from mediaposter.cli.replies import EventView, Page
from mediaposter.cli.video_id import VideoId, find_video

app = create_group("Who did what to a video.")

_PAGES_MAX = 50


@api_command(app, "events")
def show_events(api: Api, video: VideoId) -> None:
    """Show who did what to a video, the oldest first; a deleted one's by its id, for 90 days."""
    video_id = find_video(api, video)
    found: list[JsonValue] = []
    events: list[EventView] = []
    after = ""
    for _ in range(_PAGES_MAX):
        answer = api.client.get(f"/videos/{video_id}/events", {"after": after} if after else {})
        page = Page[EventView].model_validate(answer.body)
        rows = answer.body.get("data")
        found += rows if isinstance(rows, list) else []
        events += page.data
        if not page.has_more or not page.data:
            break
        after = page.data[-1].id
    if api.as_json:
        api.write_json({"object": "list", "data": found})
    elif events:
        write_table(tabulate_events(events))
    else:
        api.say(f"Nothing is recorded of {video_id}: it is older than such records.")


def tabulate_events(events: Sequence[EventView]) -> Table:
    """Make the table of a trail: when, what, by whom, and what there is to say of it."""
    table = create_table("when", "what", "by", "")
    for event in events:
        by = event.by.shown if event.by else ""
        table.add_row(describe_moment(event.created_at), event.type, by, ", ".join(_list_facts(event)))
    return table


def _list_facts(event: EventView) -> Iterator[str]:
    if event.door and event.door != "api":
        yield f"by {event.door}"
    if event.platform:
        yield f"{event.platform}:{event.account_id}"
    yield from event.posts
    yield from filter(None, (event.model, event.code, event.scheduled_time, event.url))
    if event.edits:
        yield f"changed: {event.edits}"
    if event.comment:
        yield f"“{event.comment}”"
