"""`mediaposter post`, `approve`, `reject`: what becomes public of a stored video."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from mediaposter.cli.accounts_hint import refuse_without_accounts
from mediaposter.cli.api import Api, api_command
from mediaposter.cli.client import Answer, Document, Unreachable
from mediaposter.cli.console import write_note
from mediaposter.cli.follow import follow_video
from mediaposter.cli.generate import Publish, Schedule, Text, Title, Wait, end
from mediaposter.cli.options import create_group
from mediaposter.cli.replies import PostView, VideoView
from mediaposter.cli.targets import Target, read_target, write_targets
from mediaposter.cli.video_id import VideoId, find_video
from mediaposter.domain.errors import ConfigurationError

app = create_group("The posts of a video.")

PostTarget: TypeAlias = Annotated[
    Target | None,
    typer.Option("--post", parser=read_target, metavar="NETWORK:ACCOUNT", help="This scheduled post alone."),
]


@api_command(app, "post")
def post_video(
    api: Api,
    video: VideoId,
    *,
    publish: Publish = None,
    text: Text = None,
    title: Title = None,
    schedule: Schedule = None,
    wait: Wait = True,
) -> None:
    """Post a stored video to more accounts, or again where it failed; nothing is rendered."""
    targets = publish or []
    if not targets and (text is not None or schedule is not None):
        api.context.fail("say where with --publish; without it the posts that failed are repeated as they were")
    refuse_without_accounts(api, targets)
    video_id = find_video(api, video)
    body: Document = {}
    if targets:
        body = {"publish": write_targets(targets, time=schedule, title=title)}
        body |= {name: value for name, value in {"text": text, "title": title}.items() if value is not None}
    answer = _send(api, video_id, "posts", body)
    _follow(api, video_id, answer, wait=wait)


@api_command(app, "approve")
def approve_video(api: Api, video: VideoId, *, wait: Wait = True) -> None:
    """Approve a video that waits: its posts go out."""
    video_id = find_video(api, video)
    answer = _send(api, video_id, "approval", {"decision": "approve"})
    write_note(f"{video_id} is approved.")
    _follow(api, video_id, answer, wait=wait)


@api_command(app, "reject")
def reject_video(api: Api, video: VideoId) -> None:
    """Reject a video that waits: it stays stored, and nothing is posted."""
    video_id = find_video(api, video)
    answer = _send(api, video_id, "approval", {"decision": "reject"})
    if api.as_json:
        api.write_json(answer.body)
    else:
        api.say(f"{video_id} is rejected: nothing of it is posted. It stays stored.")


def cancel_posts(api: Api, video: VideoView, target: Target | None) -> None:
    """Take back the scheduled posts of a video, or one of them.

    Raises:
        ConfigurationError: none is scheduled.
        Refusal: the API refuses it; those before it are taken back.
    """
    chosen: list[PostView] = [
        post
        for post in video.posts
        if (post.status == "scheduled" if target is None else post.target == f"{target.platform}:{target.account_id}")
    ]
    if not chosen and video.waits_for_person:
        raise ConfigurationError(
            f"{video.id} waits for approval, and nothing is posted before. Nothing was changed. To end the wait: "
            f"mediaposter reject {video.id}"
        )
    if not chosen:
        what = "no scheduled post" if target is None else f"no post on {target.platform}:{target.account_id}"
        raise ConfigurationError(
            f"{video.id} is {video.state} and has {what}. Nothing was changed. "
            f"To remove it: mediaposter delete {video.id}"
        )
    answers = [api.client.delete(f"/videos/{video.id}/posts/{post.platform}/{post.account_id}").body for post in chosen]
    if api.as_json:
        api.write_json({"object": "list", "data": list(answers)})
    else:
        for post in chosen:
            api.say(f"The post on {post.target} is taken back.")


def _send(api: Api, video_id: str, route: str, body: Document) -> Answer:
    """Send what makes something public, once: after a lost answer a person looks first."""
    try:
        return api.client.post(f"/videos/{video_id}/{route}", body)
    except Unreachable as error:
        if not error.was_sent:
            raise
        raise Unreachable(
            f"{str(error).removesuffix(' Run the command again.')} It may have been accepted, so it was not sent "
            f"again. See mediaposter show {video_id}",
            was_sent=True,
        ) from error


def _follow(api: Api, video_id: str, answer: Answer, *, wait: bool) -> None:
    if wait:
        # The reply may be older than the decision that it confirms.
        api.client.sleep(0.5)
        end(api, follow_video(api, video_id))
    elif api.as_json:
        api.write_json(answer.body)
    else:
        api.say(video_id)
        write_note(f"Follow it with:  mediaposter watch {video_id}")
