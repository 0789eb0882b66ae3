"""Build the record of the video that a request becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from mediaposter.ai.catalog import Catalog, CatalogEntry, FittedExtension, check_alias_seconds
from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.video_record import Candidate, Derivation, DerivationKind, Video
from mediaposter.usecases.requests.default_approval import ChosenApproval
from mediaposter.wire.caller import Caller
from mediaposter.wire.requests import (
    CreateVideoRequest,
    DeriveVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
)

DERIVATIONS: Mapping[type[DeriveVideoRequest], DerivationKind] = MappingProxyType(
    {
        RemixVideoRequest: DerivationKind.REMIX,
        EditVideoRequest: DerivationKind.EDIT,
        ExtendVideoRequest: DerivationKind.EXTEND,
    }
)


def describe_video(
    request: CreateVideoRequest,
    candidates: Sequence[Candidate],
    *,
    video_id: str,
    owner: str = "",
    webhook_url: str | None = None,
    batch_id: str | None = None,
    approval: ChosenApproval,
    now: datetime,
) -> Video:
    """Build the record of the video that the first model makes, with the other models as fallbacks."""
    first, *others = candidates
    return Video(
        id=video_id,
        owner=owner,
        created_at=now,
        updated_at=now,
        prompt=request.prompt,
        model=request.model,
        resolved_model=first.model,
        provider=first.provider,
        seconds=first.seconds,
        size=first.size,
        metadata=request.metadata,
        provider_options=request.provider_options,
        resubmit=request.resubmit,
        fallbacks=tuple(others),
        warnings=(*first.warnings, *approval.warnings),
        cost_estimate_micros=first.cost_estimate_micros,
        expected_render_seconds=first.expected_render_seconds,
        webhook_url=webhook_url,
        batch_id=batch_id,
        approval_hours=approval.hours,
    )


def describe_derived_video(
    request: DeriveVideoRequest,
    source: Video,
    catalog: Catalog,
    *,
    video_id: str,
    caller: Caller,
    approval: ChosenApproval,
    now: datetime,
) -> Video:
    """Build the record of a video that is made from another.

    Raises:
        InvalidRequest: the source is not finished, or its model does not offer this.
    """
    if source.stored is None or source.provider_job_id is None:
        raise InvalidRequest(f"The video is {source.status}: only a completed one can be changed.", param="video")
    kind = DERIVATIONS[type(request)]
    entry = catalog.get(source.resolved_model)
    catalog.check_offered(entry, param="video")
    if not getattr(entry.capabilities, kind):
        raise InvalidRequest(
            f"The model {entry.name}, which made this video, does not offer {kind}.",
            param="video",
            code="unsupported_operation",
        )
    added = None
    if isinstance(request, ExtendVideoRequest):
        added = _choose_extension(catalog, entry, source, seconds=request.seconds)
    else:
        entry.check_source(seconds=source.seconds, size=source.size)
    charged_seconds = source.seconds if added is None else added.seconds
    estimate_micros = entry.estimate_cost_micros(seconds=charged_seconds, size=source.size)
    return Video(
        id=video_id,
        owner=caller.owner,
        created_at=now,
        updated_at=now,
        prompt=request.prompt,
        model=source.model,
        resolved_model=source.resolved_model,
        provider=source.provider,
        # For an extension, OpenAI reports the length of the whole.
        seconds=source.seconds + (0 if added is None else added.seconds),
        size=source.size,
        metadata=request.metadata,
        derivation=Derivation(
            kind=kind,
            video_id=source.id,
            provider_job_id=source.provider_job_id,
            extend_seconds=None if added is None else added.seconds,
        ),
        warnings=(*(() if added is None else added.warnings), *approval.warnings),
        cost_estimate_micros=estimate_micros,
        expected_render_seconds=source.expected_render_seconds,
        webhook_url=request.webhook_url or caller.webhook_url,
        approval_hours=approval.hours,
    )


def _choose_extension(catalog: Catalog, entry: CatalogEntry, source: Video, *, seconds: int) -> FittedExtension:
    """Choose the length that an extension adds: aliases and models accept it by the same rules as a video's length.

    Raises:
        InvalidRequest: the model cannot add this length, or the alias does not accept it.
    """
    entry.check_source(size=source.size)
    if catalog.is_alias(source.model):
        check_alias_seconds(source.model, seconds)
        return entry.fit_extension(seconds=seconds, source_seconds=source.seconds)
    entry.check_extension(seconds=seconds, source_seconds=source.seconds)
    return FittedExtension(seconds, ())
