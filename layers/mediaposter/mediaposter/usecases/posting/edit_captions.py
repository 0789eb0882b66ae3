"""Change single captions of posts that wait for an approval."""

from __future__ import annotations

from collections.abc import Sequence

from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.posts import Post
from mediaposter.usecases.posting.plan_posts import check_size
from mediaposter.wire.post_requests import CaptionEdit


def edit_captions(waiting: Sequence[Post], captions: Sequence[CaptionEdit]) -> list[Post]:
    """Give all posts, some with another caption; targets, times and order stay.

    Raises:
        InvalidRequest: a caption is of no post that waits, or its network would refuse it.
    """
    texts = {caption.post_id: caption.text for caption in captions}
    by_id = {post.target.post_id: post for post in waiting}
    for index, caption in enumerate(captions):
        post = by_id.get(caption.post_id)
        where = f"edits.captions[{index}]"
        if post is None:
            sentence = f"there is no post on {caption.platform} account {caption.account_id} that waits"
            raise InvalidRequest(f"{where}: {sentence}. Nothing was decided.", param=where, code="invalid_value")
        try:
            post.target.check_caption(caption.text)
        except ValueError as error:
            raise InvalidRequest(
                f"{caption.platform} account {caption.account_id}: {error}. Nothing was decided.",
                param=f"{where}.text",
                code="invalid_value",
            ) from error
    edited = [post.copy_with(text=texts.get(post.target.post_id, post.text)) for post in waiting]
    check_size(edited)
    return edited
