"""Choose the model of a request and its fallbacks, and fit the request to each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mediaposter.ai.catalog import Catalog, CatalogEntry
from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.video_record import Candidate
from mediaposter.wire.requests import CreateVideoRequest


def choose_models(
    request: CreateVideoRequest, catalog: Catalog, *, default_fallbacks: Sequence[str], today: date
) -> list[Candidate]:
    """Find the requested model and its fallbacks.

    For an alias or a fallback, the request is adapted to what the model can do, as closely as possible. A fallback
    gets no options that its catalog row does not list. A model named directly makes exactly the request, or
    nothing.

    Raises:
        InvalidRequest: a model does not exist, or the requested one cannot make the video.
    """
    asked = catalog.resolve(request.model, today=today)
    asked.check(request.model, seconds=request.seconds, size=request.size)
    asked.entry.check_options(request.provider_options)
    if request.input_reference is not None and not asked.entry.capabilities.image_input:
        takers = [entry.name for entry in catalog.list_offered() if entry.capabilities.image_input]
        raise InvalidRequest(
            f"The model {asked.entry.name} takes no picture. These do: {', '.join(sorted(takers))}.",
            param="input_reference",
            code="unsupported_operation",
        )
    candidates = [_fit(asked.entry, request)]
    for name in _list_fallbacks(request, catalog, default_fallbacks, today):
        entry = catalog.resolve(name, today=today).entry
        is_new = entry.name not in [candidate.model for candidate in candidates]
        if is_new and (request.input_reference is None or entry.capabilities.image_input):
            candidates.append(_fit(entry, request))
    return candidates


def _list_fallbacks(
    request: CreateVideoRequest, catalog: Catalog, default_fallbacks: Sequence[str], today: date
) -> list[str]:
    if request.fallback_models is None:
        # The stack's own list of fallbacks may name models that no longer exist.
        return [name for name in default_fallbacks if catalog.has_living(name, today=today)]
    for index, name in enumerate(request.fallback_models):
        try:
            catalog.resolve(name, today=today)
        except InvalidRequest as error:
            raise InvalidRequest(str(error), param=f"fallback_models[{index}]", code="model_not_found") from error
    return request.fallback_models


def _fit(entry: CatalogEntry, request: CreateVideoRequest) -> Candidate:
    """Fit a request to a model's capabilities, and price it."""
    fitted = entry.fit(seconds=request.seconds, size=request.size)
    options = entry.pick_options(request.provider_options)
    return Candidate(
        model=entry.name,
        provider=entry.provider,
        seconds=fitted.seconds,
        size=fitted.size,
        cost_estimate_micros=entry.estimate_cost_micros(seconds=fitted.seconds, size=fitted.size),
        expected_render_seconds=entry.expected_render_seconds,
        warnings=(*([entry.notice] if entry.notice else []), *fitted.warnings, *options.warnings),
    )
