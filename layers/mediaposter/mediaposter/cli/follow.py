"""Follow a video or a batch until it is over, through a network that goes and comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import typer

from mediaposter.cli.api import Api
from mediaposter.cli.client import Answer, Document, is_passing, wait_seconds
from mediaposter.cli.console import describe_elapsed, write_note
from mediaposter.cli.progress import ProgressView, open_progress
from mediaposter.cli.replies import BatchView, VideoView
from mediaposter.domain.errors import MediaPosterError

INTERRUPTED = 130
# The API's hint is for SDKs that count their requests; a person watches a bar.
_POLL_SECONDS_MAX = 5.0
_FIRST_POLL_SECONDS = 0.5
_BATCH_WORDS = {"validating": "checking", "in_progress": "making", "finalizing": "finishing"}
_View = TypeVar("_View", VideoView, BatchView)


def follow_video(api: Api, video_id: str, *, first: Answer | None = None) -> Document:
    """Follow a video until it is over or a person must approve it; Ctrl-C leaves it running, and ends with 130.

    With --json its state is a line of JSON whenever it changes, if the command streams; see `watch`.

    Raises:
        Refusal: the API refuses to show it.
    """
    return _follow(api, f"/videos/{video_id}", VideoView, _show_video, first=first, name=video_id)


def follow_batch(api: Api, batch_id: str, *, first: Answer | None = None) -> Document:
    """Follow a batch until it is over. Raises as `follow_video`."""
    return _follow(api, f"/batches/{batch_id}", BatchView, _show_batch, first=first, name=batch_id)


def _follow(
    api: Api,
    path: str,
    view_type: type[_View],
    show: Callable[[ProgressView, _View], None],
    *,
    first: Answer | None,
    name: str,
) -> Document:
    is_streaming = api.as_json and api.context.info_name == "watch"
    shown: Document | None = None
    answer, asked = first, 0
    try:
        with open_progress() as progress:
            while True:
                if answer is None:
                    answer = _ask_patiently(api, path, progress)
                view = view_type.model_validate(answer.body)
                show(progress, view)
                if is_streaming and _drop_links(answer.body) != shown:
                    shown = _drop_links(answer.body)
                    api.write_json_line(answer.body)
                if view.is_over or (isinstance(view, VideoView) and view.waits_for_person):
                    return answer.body
                hint = answer.poll_after_seconds or _POLL_SECONDS_MAX
                # At first a short wait: a sandbox's video takes seconds.
                api.client.sleep(min(hint, _POLL_SECONDS_MAX, _FIRST_POLL_SECONDS * 1.3**asked))
                asked += 1
                answer = None
    except KeyboardInterrupt:
        kind = "batch" if view_type is BatchView else "video"
        write_note(f"\nThe {kind} goes on without you. Come back with:  mediaposter watch {name}")
        raise typer.Exit(INTERRUPTED) from None


def _ask_patiently(api: Api, path: str, progress: ProgressView) -> Answer:
    failures = 0
    while True:
        try:
            answer = api.client.get_once(path)
        except MediaPosterError as error:
            if not is_passing(error):
                raise
            if not failures:
                sentence = str(error).partition(". ")[0]
                progress.note(f"{sentence}. Waiting for it; nothing is lost. Ctrl-C leaves.")
            api.client.sleep(wait_seconds(failures))
            failures += 1
            continue
        if failures:
            progress.note("It answers again.")
        return answer


def _drop_links(body: Document) -> Document:
    """Leave out what is signed anew in each reply."""
    return {name: value for name, value in body.items() if name != "links"}


def _show_video(progress: ProgressView, video: VideoView) -> None:
    if video.is_over or video.waits_for_person:
        return
    detail = ""
    if video.queue_position:
        detail = f"place {video.queue_position} in the queue"
    elif video.eta_at and (left := video.eta_at - time.time()) > 0:
        detail = f"about {describe_elapsed(left)} left"
    progress.show(video.state, video.progress, detail)


def _show_batch(progress: ProgressView, batch: BatchView) -> None:
    if batch.is_over:
        return
    counts = batch.request_counts
    words = f"{counts.ended} of {counts.total}" if counts.total else ""
    words += f", {counts.failed} failed" if counts.failed else ""
    words += f", {counts.refused} refused" if counts.refused else ""
    progress.show(
        _BATCH_WORDS.get(batch.status, batch.status), 100 * counts.ended / counts.total if counts.total else 0, words
    )
