"""Plan the posts of a video: their captions and times, and check that every network accepts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from mediaposter.ai.catalog import parse_size
from mediaposter.domain.errors import InvalidRequest
from mediaposter.publishing.targets import AnyTarget, UnlabelledTarget, VideoShape, check_scheduled_time
from mediaposter.stores.posts import Post
from mediaposter.stores.video_record import Candidate, Video
from mediaposter.usecases.requests.shape import measure
from mediaposter.wire.body_errors import name_target
from mediaposter.wire.requests import PostsRequest

# One transaction writes all posts of a video, 4 MB at most (DynamoDB), each with its text twice.
CAPTIONS_MAX_BYTES = 1_000_000


class PostPlan(NamedTuple):
    """The posts of a video, the fallback models that fit them, and why others do not."""

    posts: list[Post]
    fallbacks: tuple[Candidate, ...]
    warnings: tuple[str, ...]


def plan_posts(
    request: PostsRequest,
    video: Video,
    *,
    candidates: Sequence[Candidate],
    now: datetime,
    texts: Mapping[str, str] = MappingProxyType({}),
) -> PostPlan:
    """Plan the posts of a video before money is spent on it.

    A fallback model whose video one of the targets would refuse is dropped.

    Args:
        request: the targets of the posts.
        video: the video as it will be made, or as it is stored.
        candidates: the fallback models.
        now: when the posts are planned.
        texts: captions by the ids of posts, which replace the text of the request.

    Raises:
        InvalidRequest: a caption, the video or a time does not fit; names the target, the field, the limit, and the
            count as the network counts it.
    """
    posts = []
    delay_minutes = 0
    shape = _describe_shape(video)
    for index, target in enumerate(request.publish):
        _check_video(target, index, shape)
        _check_time(target, index, now)
        has_own_time = target.next_free_slot or target.scheduled_time is not None
        posts.append(
            Post(
                video_id=video.id,
                owner=video.owner,
                target=target,
                text=_compose_caption(request, video, index, texts),
                delay_minutes=0 if has_own_time else delay_minutes,
                delivery=request.delivery,
                created_at=now,
                updated_at=now,
            )
        )
        if not has_own_time:
            delay_minutes += request.stagger_minutes
    check_size(posts)
    fallbacks = []
    warnings = []
    for candidate in candidates:
        misfit = _find_misfit(request.publish, candidate)
        if misfit is None:
            fallbacks.append(candidate)
        else:
            warnings.append(f"fallback_models: {candidate.model} is not used. {misfit}")
    return PostPlan(posts, tuple(fallbacks), tuple(warnings))


def _describe_shape(video: Video | Candidate) -> VideoShape:
    if isinstance(video, Video) and video.stored is not None:
        return measure(video.stored)
    width, height = parse_size(video.size)
    return VideoShape(width=width, height=height, seconds=video.seconds)


def _find_misfit(targets: Sequence[AnyTarget], candidate: Candidate) -> str | None:
    shape = _describe_shape(candidate)
    for index, target in enumerate(targets):
        try:
            _check_video(target, index, shape)
        except InvalidRequest as refusal:
            return refusal.message
    return None


def _check_video(target: AnyTarget, index: int, shape: VideoShape) -> None:
    try:
        target.check_video(shape)
    except ValueError as error:
        raise _refuse(target, index, f"{error}.") from error


def _check_time(target: AnyTarget, index: int, now: datetime) -> None:
    if target.scheduled_time is None:
        return
    try:
        check_scheduled_time(target.scheduled_time, now=now)
    except ValueError as error:
        raise _refuse(target, index, f"{error}.", field="scheduled_time") from error


def _compose_caption(request: PostsRequest, video: Video, index: int, texts: Mapping[str, str]) -> str:
    target = request.publish[index]
    text = texts.get(target.post_id, request.text)
    try:
        return target.compose_caption(prompt=video.prompt, title=request.title, default_text=text)
    except ValueError as error:
        is_prompt = target.text is None and request.text is None
        hint = " Without a text its caption is the prompt." if is_prompt else ""
        if isinstance(target, UnlabelledTarget) and target.disclosure is not None:
            hint += f' It ends with the disclosure "{target.disclosure}", which counts too.'
        raise _refuse(target, index, f"{error}.{hint}", field="text") from error


def check_size(posts: Sequence[Post]) -> None:
    """Refuse captions that are too long together for one write.

    Raises:
        InvalidRequest: names the limit.
    """
    size_bytes = sum(len(post.text.encode()) for post in posts)
    if size_bytes > CAPTIONS_MAX_BYTES:
        raise InvalidRequest(
            f"publish: the captions of a video have at most {CAPTIONS_MAX_BYTES} bytes together, got {size_bytes}. "
            "Nothing was done.",
            param="publish",
            code="invalid_value",
        )


def _refuse(target: AnyTarget, index: int, sentence: str, *, field: str | None = None) -> InvalidRequest:
    return InvalidRequest(
        f"{name_target(index, target.platform, target.account_id)}: {sentence}",
        param=f"publish[{index}]" if field is None else f"publish[{index}].{field}",
        code="invalid_value",
    )
