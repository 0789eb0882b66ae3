"""Videos as text: a row of a list, all of one, and the sentences at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from mediaposter.cli.console import create_table, describe_age, describe_bytes, describe_elapsed, describe_moment
from mediaposter.cli.replies import ApprovalView, PostView, VideoView


def tabulate(videos: Sequence[VideoView], *, now: float, columns: int) -> Table:
    """Make the table of a list that is not empty; prompts are cut to fit into `columns`."""
    rows = [
        (video.id, _describe_progress(video), describe_age(now - video.created_at), " ".join(video.prompt.split()))
        for video in videos
    ]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    left = columns
    for number, title in enumerate(("ID", "state", "age")):
        left -= max(len(title), *(len(row[number]) for row in rows)) + 2
        table.add_column(title, no_wrap=True, justify="right" if title == "age" else "left")
    # An id is there to be copied: the prompt alone is cut. Rich by itself would cut every column a little.
    table.add_column("prompt", no_wrap=True, overflow="ellipsis", max_width=max(left, 10))
    for row in rows:
        table.add_row(*row)
    return table


def _describe_progress(video: VideoView) -> str:
    if video.state == "rendering" and video.progress:
        return f"{video.state} {video.progress:.0f}%"
    return video.state


def describe(video: VideoView) -> Table:
    """Make the table of one video: a row for each thing that is known."""
    table = create_table("", "")
    table.show_header = False
    for name, value in _list_rows(video):
        table.add_row(Text(name, style="dim"), value)
    return table


def _list_rows(video: VideoView) -> Iterator[tuple[str, str]]:
    yield "ID", video.id
    yield "state", _describe_state(video)
    yield "prompt", video.prompt
    made_by = f", made by {video.resolved_model} of {video.provider}" if video.resolved_model else ""
    yield "model", f"{video.model}{made_by}"
    yield (
        "video",
        f"{video.seconds} s, {video.size}{f', {describe_bytes(video.size_bytes)}' if video.size_bytes else ''}",
    )
    yield "requested", describe_moment(video.created_at)
    if video.completed_at:
        took = describe_elapsed(video.completed_at - video.created_at)
        yield "completed", f"{describe_moment(video.completed_at)}, after {took}"
    if video.cost_usd or video.cost_estimate_usd:
        yield "cost", f"${video.cost_usd}" if video.cost_usd else f"about ${video.cost_estimate_usd}"
    if video.approval is not None and video.approval.decided_at:
        yield "decision", _describe_decision(video.approval)
    for post in video.posts:
        yield "post", describe_post(post)
    for warning in video.warnings:
        yield "warning", warning


def _describe_state(video: VideoView) -> str:
    if video.status == "failed":
        error = video.error
        return f"failed while {video.stage}: {error.message} ({error.code})" if error else "failed"
    if video.waits_for_person:
        until = video.approval.expires_at if video.approval else None
        return f"waits for approval{f' until {describe_moment(until)}' if until else ''}"
    if video.is_over:
        return "done"
    place = f", place {video.queue_position} in the queue" if video.queue_position else ""
    return f"{video.stage or video.status}, {video.progress:.0f}%{place}"


def _describe_decision(approval: ApprovalView) -> str:
    by = f" by {approval.decided_by.shown}" if approval.decided_by else ""
    when = f", {describe_moment(approval.decided_at)}" if approval.decided_at else ""
    return f"{approval.status}{by}{when}{f': {approval.comment}' if approval.comment else ''}"


def describe_post(post: PostView) -> str:
    """Write a post: its account, its state, where it is, or why it is not."""
    if post.error is not None and post.error.message:
        return f"{post.target}  {post.status}: {post.error.message}"
    when = f" for {post.scheduled_time}" if post.status == "scheduled" and post.scheduled_time else ""
    return f"{post.target}  {post.status}{when}{f'  {post.url}' if post.url else ''}"


def describe_end(video: VideoView) -> Iterator[str]:
    """Write how a video ended, or what it waits for, and what can be done now."""
    if video.status == "failed":
        reason = f"{video.error.message} ({video.error.code})" if video.error else "the API does not say why."
        yield f"{video.id} failed while {video.stage}: {reason}"
        return
    if video.waits_for_person:
        yield f"{video.id} is made, and nothing is posted until you approve it."
        yield f"See it:      mediaposter download {video.id}"
        yield f"Then decide: mediaposter approve {video.id}   or   mediaposter reject {video.id}"
        return
    took = f" in {describe_elapsed(video.completed_at - video.created_at)}" if video.completed_at else ""
    yield f"{video.id} is done{took}."
    for post in video.posts:
        yield f"  {describe_post(post)}"
    if any(post.status == "failed" for post in video.posts):
        yield f"Post again where it failed: mediaposter post {video.id}"
    if any(post.status in {"parked", "unknown"} for post in video.posts):
        yield "Check the network by eye: the stack could not tell whether a post is public, and does not repeat it."
