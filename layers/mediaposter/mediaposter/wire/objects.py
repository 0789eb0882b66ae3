"""The responses of the API other than a video: lists, models, usage, estimates, uploads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Generic, Literal, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict

from mediaposter.ai.catalog import Capabilities, Catalog, CatalogEntry, ProviderOption
from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.budget import BudgetFigures, BudgetPeriod, PeriodUsage, Usage, name_period, renews_at
from mediaposter.stores.media import PresignedUpload
from mediaposter.stores.posts import Post, SchedulePage
from mediaposter.stores.video_record import Estimate, Video
from mediaposter.wire.video_object import (
    NO_DETAILS,
    PostObject,
    VideoDetails,
    VideoObject,
    present_details,
    present_post,
    to_dollars,
)

Item = TypeVar("Item", bound=BaseModel)

# A Lambda response has 6 MB at most (docs.aws.amazon.com/lambda, quotas); some of that is left for headers.
PAGE_MAX_BYTES = 5_500_000
# Of a byte of JSON that is escaped once more: a quote has 2, and `\\u20ac` 6 for the 3 bytes of a euro sign.
_ESCAPED_BYTES_MAX = 3


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ListObject(_Answer, Generic[Item]):
    """A page, as OpenAI's lists are; the next one is asked for with `after=<last_id>`."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    first_id: str | None
    last_id: str | None


class DeletedVideoObject(_Answer):
    """A video that is no more."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class OptionObject(_Answer):
    """A field of `provider_options`: the type of its value, its bounds, and the only texts or fields that it may have.

    `description` says the same in words.
    """

    type: Literal["integer", "number", "boolean", "text", "object"]
    description: str
    min: int | float | None
    max: int | float | None
    max_characters: int | None
    values: list[str]
    fields: dict[str, OptionObject]


class ModelObject(_Answer):
    """A model that can be asked for: OpenAI's fields, and what it can do. Prices are dollars as text.

    `price_usd_per_second` is by the shorter side of the picture, in pixels. `image_input` says whether it takes an
    `input_reference`. `options` are the fields that `provider_options` may have. `notice` is what everyone is told who
    asks for it.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    alias_of: str | None
    seconds: list[int]
    sizes: list[str]
    price_usd_per_second: dict[str, str]
    expected_render_seconds: int
    image_input: bool
    audio: bool
    extension_seconds: list[int]
    capabilities: Capabilities
    options: dict[str, OptionObject]
    notice: str | None
    retires_on: date | None
    replaced_by: str | None


class ModelUsageObject(_Answer):
    """What the settled videos of one model, or the captions that it wrote, cost on one day.

    `captions` counts the requests that it wrote captions for.
    """

    day: date
    model: str
    videos: int
    captions: int
    cost_usd: str


class MonthUsageObject(_Answer):
    """What an owner spent in the month of `today`, in UTC, with the fields that the usage has for the day.

    `promised_usd` is reserved by videos that are not settled yet. A month counts from the update of the stack that
    brought it.
    """

    month: str
    spent_usd: str
    promised_usd: str
    videos: int
    limit_usd: str | None
    left_usd: str | None
    stack_limit_usd: str | None
    stack_left_usd: str | None
    renews_at: datetime


class UsageObject(_Answer):
    """What an owner spent. `promised_usd` is reserved by videos that are not settled yet.

    `limit_usd` is that of the key that asks, for the stack's own figures the stack's; null is no limit, and that of
    another owner, whose keys have limits of their own. `stack_left_usd` is what all keys together may still spend
    today. `month` has the same of this month; a request needs room in all four limits. `days` has what settled videos
    and written captions cost, by day and model.
    """

    object: Literal["usage"] = "usage"
    today: date
    spent_usd: str
    promised_usd: str
    videos: int
    limit_usd: str | None
    left_usd: str | None
    stack_limit_usd: str | None
    stack_left_usd: str | None
    renews_at: datetime
    month: MonthUsageObject
    days: list[ModelUsageObject]


class CandidateObject(_Answer):
    """A model, and the video it would make."""

    model: str
    provider: str
    seconds: str
    size: str
    cost_estimate_usd: str
    warnings: list[str]


class EstimateObject(_Answer):
    """What a request would become; nothing was recorded. The first model is tried first."""

    object: Literal["video.estimate"] = "video.estimate"
    reserved_usd: str
    candidates: list[CandidateObject]


class UploadObject(_Answer):
    """Where to PUT a picture, with exactly these headers, before it is named as `input_reference`."""

    id: str
    object: Literal["upload"] = "upload"
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime


class WebhookReceipt(_Answer):
    """A webhook that was taken: a hint to ask the provider, no more."""

    object: Literal["webhook.receipt"] = "webhook.receipt"
    repeated: bool


def present_page(
    videos: Sequence[Video], *, has_more: bool, details: Mapping[str, VideoDetails] = MappingProxyType({})
) -> ListObject[VideoObject]:
    """Write a page of videos, as many as fit into a response; `details` are by their ids."""
    written = [present_details(video, details.get(video.id, NO_DETAILS)) for video in videos]
    return list_page(written, [video.id for video in videos], has_more=has_more)


def present_posts(posts: Sequence[Post]) -> ListObject[PostObject]:
    """Write the posts of a video, as many as fit into a response. Accounts are the first and last id of a page."""
    return list_page([present_post(post) for post in posts], list(map(name_post, posts)), has_more=False)


def name_post(post: Post) -> str:
    """Name a post within its video, in characters that need no escaping in a URL."""
    return f"{post.target.platform}~{post.target.account_id}"


def present_schedules(page: SchedulePage) -> ListObject[PostObject]:
    """Write a page of scheduled posts. They have no ids, so sort keys are the first and last id of a page."""
    written = list_page(
        [present_post(post) for post in page.posts], [post.place for post in page.posts], has_more=page.has_more
    )
    if len(written.data) < len(page.posts):
        return written
    # A post at either end of the page may be missing from it by now.
    return written.model_copy(update={"first_id": page.first, "last_id": page.last})


def present_models(catalog: Catalog, *, today: date, after: str | None = None) -> ListObject[ModelObject]:
    """Write the available models and their aliases, after the name `after`."""
    names = {name: catalog.aliases.get(name, name) for name in sorted({*catalog.models, *catalog.aliases})}
    models = [
        _present_model(name, catalog.models[target])
        for name, target in names.items()
        if catalog.can_ask_for(target, today=today) and (after is None or name > after)
    ]
    return list_page(models, [model.id for model in models], has_more=False)


def present_usage(usage: Usage) -> UsageObject:
    """Write the usage of an owner.

    Raises:
        InvalidRequest: the usage does not fit into a response.
    """
    days = [
        ModelUsageObject(
            day=day.day,
            model=day.model,
            videos=day.videos,
            captions=day.captions,
            cost_usd=to_dollars(day.spent_micros),
        )
        for day in usage.days
    ]
    if _count_fitting(days) < len(days):
        raise InvalidRequest(
            "since: the usage of these days is too large for one answer; ask for fewer days.",
            param="since",
            code="answer_too_large",
        )
    return UsageObject(
        today=usage.today,
        renews_at=renews_at(usage.today),
        month=MonthUsageObject(
            month=name_period(usage.today, BudgetPeriod.MONTH),
            renews_at=renews_at(usage.today, BudgetPeriod.MONTH),
            **_present_period(usage.month),
        ),
        days=days,
        **_present_period(usage.day),
    )


class _PeriodFields(TypedDict):
    spent_usd: str
    promised_usd: str
    videos: int
    limit_usd: str | None
    left_usd: str | None
    stack_limit_usd: str | None
    stack_left_usd: str | None


def _present_period(usage: PeriodUsage) -> _PeriodFields:
    return {
        "spent_usd": to_dollars(usage.budget.spent_micros),
        "promised_usd": to_dollars(usage.budget.promised_micros),
        "videos": usage.budget.videos,
        "limit_usd": None if usage.limit_micros is None else to_dollars(usage.limit_micros),
        "left_usd": _show_left(usage.limit_micros, usage.budget),
        "stack_limit_usd": None if usage.stack_limit_micros is None else to_dollars(usage.stack_limit_micros),
        "stack_left_usd": _show_left(usage.stack_limit_micros, usage.stack_budget),
    }


def _show_left(limit_micros: int | None, budget: BudgetFigures | None) -> str | None:
    if limit_micros is None or budget is None:
        return None
    return to_dollars(max(limit_micros - budget.committed_micros, 0))


def present_estimate(estimate: Estimate) -> EstimateObject:
    """Write the estimate of a request."""
    return EstimateObject(
        reserved_usd=to_dollars(estimate.reserved_micros),
        candidates=[
            CandidateObject(
                model=candidate.model,
                provider=candidate.provider,
                seconds=str(candidate.seconds),
                size=candidate.size,
                cost_estimate_usd=to_dollars(candidate.cost_estimate_micros),
                warnings=list(candidate.warnings),
            )
            for candidate in estimate.candidates
        ],
    )


def present_upload(upload_id: str, upload: PresignedUpload) -> UploadObject:
    """Write the URL for an upload."""
    return UploadObject(id=upload_id, url=upload.url, headers=dict(upload.headers), expires_at=upload.expires_at)


def list_page(data: Sequence[Item], ids: Sequence[str], *, has_more: bool) -> ListObject[Item]:
    """Write a page of the objects with these ids: as many as fit into a response, and at least one."""
    count = _count_fitting(data)
    return ListObject(
        data=list(data[:count]),
        has_more=has_more or count < len(data),
        first_id=ids[0] if count else None,
        last_id=ids[count - 1] if count else None,
    )


def _count_fitting(data: Sequence[BaseModel]) -> int:
    """Count how many items of a list fit into a response."""
    texts = [item.model_dump_json() for item in data]
    # In Lambda's response the body is a string in JSON, where non-ASCII may be escaped: a byte then has 3 at most.
    if sum(len(text.encode()) for text in texts) * _ESCAPED_BYTES_MAX <= PAGE_MAX_BYTES:
        return len(data)
    left_bytes = PAGE_MAX_BYTES
    for count, text in enumerate(texts):
        left_bytes -= len(json.dumps(text))
        if left_bytes < 0 and count > 0:
            return count
    return len(data)


def _present_model(name: str, entry: CatalogEntry) -> ModelObject:
    return ModelObject(
        id=name,
        # OpenAI's clients expect a time; the catalog has none.
        created=0,
        owned_by=entry.provider,
        alias_of=entry.name if name != entry.name else None,
        seconds=list(entry.durations_seconds),
        sizes=list(entry.sizes),
        price_usd_per_second={side: f"{price:f}" for side, price in entry.price_usd_per_second.items()},
        expected_render_seconds=entry.expected_render_seconds,
        image_input=entry.capabilities.image_input,
        audio=entry.capabilities.audio,
        extension_seconds=list(entry.extension_seconds) if entry.capabilities.extend else [],
        capabilities=entry.capabilities,
        options={option: _present_option(rule) for option, rule in entry.options.items()},
        notice=entry.notice or None,
        retires_on=entry.retires_on,
        replaced_by=entry.replaced_by,
    )


def _present_option(option: ProviderOption) -> OptionObject:
    return OptionObject(
        type=option.type,
        description=option.rule,
        min=option.min,
        max=option.max,
        max_characters=option.max_characters if option.type == "text" and not option.values else None,
        values=list(option.values),
        fields={name: _present_option(field) for name, field in option.fields.items()},
    )
