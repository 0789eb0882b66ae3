"""`mediaposter post`, `approve`, `reject`, `move`, `resolve`: what becomes public of a stored video."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

import typer

from mediaposter.cli.accounts_hint import refuse_without_accounts
from mediaposter.cli.api import Api, api_command
from mediaposter.cli.client import Answer, Document, Unreachable
from mediaposter.cli.console import write_note
from mediaposter.cli.follow import follow_video
from mediaposter.cli.generate import Publish, Schedule, Text, Title, Wait, end
from mediaposter.cli.options import create_group
from mediaposter.cli.replies import PostView, VideoView
from mediaposter.cli.targets import NEXT_FREE, Target, read_target, read_time, write_targets
from mediaposter.cli.video_id import VideoId, find_video
from mediaposter.domain.errors import ConfigurationError

app = create_group("The posts of a video.")

_MOVABLE = frozenset({"scheduled"})
# A post that is `in_doubt` is still looked for.
_IN_DOUBT = frozenset({"parked", "unknown"})

PostTarget: TypeAlias = Annotated[
    Target | None,
    typer.Option("--post", parser=read_target, metavar="NETWORK:ACCOUNT", help="This post alone."),
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


Comment: TypeAlias = Annotated[
    str | None, typer.Option("--comment", metavar="TEXT", help="Kept with the decision, up to 500 characters.")
]


@api_command(app, "approve")
def approve_video(api: Api, video: VideoId, *, comment: Comment = None, wait: Wait = True) -> None:
    """Approve a video that waits: its posts go out."""
    video_id = find_video(api, video)
    answer = _send(api, video_id, "approval", _decide("approve", comment))
    write_note(f"{video_id} is approved.")
    _follow(api, video_id, answer, wait=wait)


@api_command(app, "reject")
def reject_video(api: Api, video: VideoId, *, comment: Comment = None) -> None:
    """Reject a video that waits: it stays stored, and nothing is posted."""
    video_id = find_video(api, video)
    answer = _send(api, video_id, "approval", _decide("reject", comment))
    if api.as_json:
        api.write_json(answer.body)
    else:
        api.say(f"{video_id} is rejected: nothing of it is posted. It stays stored.")


@api_command(app, "move")
def move_post(
    api: Api,
    video: VideoId,
    time: Annotated[str, typer.Argument(metavar="TIME", parser=read_time, help="When, as 2026-12-24T18:00.")],
    *,
    post: PostTarget = None,
) -> None:
    """Let a scheduled post go out at another time; without a zone it is by the clock of this machine."""
    if time == NEXT_FREE:
        api.context.fail("name the time, as 2026-12-24T18:00")
    video_id = find_video(api, video)
    chosen = _choose_post(api, video_id, post, _MOVABLE, "scheduled")
    answer = api.client.patch(f"/videos/{video_id}/{chosen.route}", {"scheduled_time": time})
    if api.as_json:
        api.write_json(answer.body)
    else:
        api.say(f"The post on {chosen.post.target} goes out at {time}.")


@api_command(app, "resolve")
def resolve_post(
    api: Api,
    video: VideoId,
    *,
    posted: Annotated[str | None, typer.Option("--posted", metavar="URL", help="It is public, at this URL.")] = None,
    send_again: Annotated[bool, typer.Option("--send-again", help="It is not there: post it once more.")] = False,
    post: PostTarget = None,
) -> None:
    """Say what became of a post in doubt, after you looked at the network."""
    if (posted is not None) is send_again:
        api.context.fail("say one of --posted URL and --send-again, as you saw it at the network")
    video_id = find_video(api, video)
    chosen = _choose_post(api, video_id, post, _IN_DOUBT, "in doubt")
    body: Document = {"outcome": "send_again"} if posted is None else {"outcome": "posted", "url": posted}
    answer = _send(api, video_id, f"{chosen.route}/resolve", body)
    if api.as_json:
        api.write_json(answer.body)
    elif posted is None:
        api.say(f"The post on {chosen.post.target} is sent again. Follow it with:  mediaposter watch {video_id}")
    else:
        api.say(f"The post on {chosen.post.target} counts as published.")


def _decide(decision: str, comment: str | None) -> Document:
    return {"decision": decision, **({} if comment is None else {"comment": comment})}


class _Chosen(NamedTuple):
    """A post, and its route below that of its video."""

    post: PostView
    route: str


def _choose_post(api: Api, video_id: str, target: Target | None, states: frozenset[str], described_as: str) -> _Chosen:
    """Choose the post that is named, or the only one in such a state.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    seen = VideoView.model_validate(api.client.get(f"/videos/{video_id}").body)
    named = None if target is None else f"{target.platform}:{target.account_id}"
    found = [post for post in seen.posts if (post.status in states if named is None else post.target == named)]
    if len(found) == 1:
        return _Chosen(found[0], f"posts/{found[0].platform}/{found[0].account_id}")
    if found:
        targets = "\n".join(f"  --post {post.target}" for post in found)
        raise ConfigurationError(f"{video_id} has {len(found)} posts that are {described_as}. Name one:\n{targets}")
    what = f"no post on {named}" if named else f"no post that is {described_as}"
    raise ConfigurationError(f"{video_id} has {what}. Nothing was changed. See mediaposter show {video_id}")


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
