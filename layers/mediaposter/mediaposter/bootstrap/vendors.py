"""Build who makes the videos and who posts them; alone knows the adapters, and how much at once a provider takes."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from mediaposter.bootstrap import stack, storage
from mediaposter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mediaposter.ai.catalog import Catalog
    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.library.slots import Slots
    from mediaposter.library.videos import Video
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.safe_http import PublicInternet


_CATALOG_MAX_AGE_SECONDS = 60
# How long the calls of one model may take together: StartFunction and PollFunction may run a minute.
_MODEL_SECONDS = 50.0
# CancelRenderFunction may run a minute, and is tried again.
CANCEL_SECONDS = 40.0
# A provider waits for the answer to its webhook, and the route has 29 seconds.
_KEYS_SECONDS = 10.0


def catalog() -> Catalog:
    """Read the catalog of this stack: the built-in one, extended by its file and its parameter.

    Raises:
        ConfigurationError: the file or the parameter is wrong; the sentence says where.
    """
    # The minute is the key of the cache: a new file holds a minute later, and a warm function reads it once a minute.
    return _read_catalog(int(time.time() // _CATALOG_MAX_AGE_SECONDS))


@lru_cache(maxsize=1)
def _read_catalog(_period: int) -> Catalog:
    from mediaposter.ai.catalog import built_in_catalog, built_in_catalog_text, parse_catalog

    found = built_in_catalog()
    if key := stack.settings().catalog_key:
        found = parse_catalog(storage.media_library().read_text(key), extending=built_in_catalog_text())
    return found.with_aliases(stack.settings().model_aliases)


def limit_renders(provider: str) -> int:
    """Tell how many videos a provider renders for this stack at once: what it was told, or what the catalog says."""
    told = stack.settings().provider_concurrency.get(provider)
    return catalog().count_renders_at_once(provider) if told is None else told


def kept_for(video: Video) -> timedelta:
    """Tell how long the provider of a video keeps what it rendered."""
    return timedelta(hours=catalog().count_kept_hours(video.provider))


@cache
def slots() -> Slots:
    """Build the slots of the providers."""
    from mediaposter.library.slots import Slots

    return Slots(storage.library_table(), limit_renders)


def model_for(video: Video, *, seconds: float = _MODEL_SECONDS) -> VideoModelInterface:
    """Build the model that renders a video, as `build_model` does."""
    return build_model(video.provider, video.resolved_model, seconds=seconds)


def build_model(provider: str, model: str, *, seconds: float = _MODEL_SECONDS) -> VideoModelInterface:
    """Build a provider's model; `seconds` from now its calls have ended, whatever the provider does.

    Raises:
        ConfigurationError: its key or address is missing, or an address that it has is none.
    """
    from mediaposter.ai.video_model_factory import create_video_model, find_model_class

    model_class = find_model_class(provider)
    account = model_class.account or provider
    ends_at = time.monotonic() + seconds
    return create_video_model(
        provider,
        model,
        api_key=stack.read_secret(f"providers/{account}-api-key") if model_class.needs_api_key else "",
        base_url=_find_base_url(model_class, account),
        catalog=catalog(),
        internet=_find_way(account, measure_patience=lambda: ends_at - time.monotonic()),
    )


def parse_webhook(provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
    """Tell a provider's webhook from a forgery, and give the job it is about.

    Raises:
        ConfigurationError: its secret is missing, or no model of the provider has webhooks.
    """
    model = _hearing_model(provider)
    # Any of several may have signed, so that a new one can replace an old one.
    secrets = (
        stack.read_secret(f"webhooks/{provider}-secret").replace(",", " ").split() if model.signs_with_secret else ()
    )
    return model.parse_webhook(headers, body, secrets=secrets, now=at)


@cache
def _hearing_model(provider: str) -> VideoModelInterface:
    """Build a model that reads its provider's webhooks; it keeps what it fetched to verify them."""
    from mediaposter.ai.video_model_factory import create_video_model, find_model_class

    model_class = find_model_class(provider)
    entries = [entry for entry in catalog().models.values() if entry.provider == provider]
    entry = next((entry for entry in entries if entry.capabilities.webhook), None)
    if entry is None:
        raise ConfigurationError(f"ProviderWebhooks names {provider}, and no model of it in the catalog has webhooks.")
    account = model_class.account or provider
    # It calls nobody with a key. Each of its calls has the time: it is kept.
    return create_video_model(
        provider,
        entry.name,
        api_key="none",
        base_url=_find_base_url(model_class, account),
        catalog=catalog(),
        internet=_find_way(account, measure_patience=lambda: _KEYS_SECONDS),
    )


def _find_base_url(model_class: type[VideoModelInterface], account: str) -> str:
    # Bedrock writes its videos into a bucket: this stack's own.
    addresses = {
        "bedrock": f"s3://{stack.settings().require('video_bucket')}/renders",
        **stack.settings().provider_base_urls,
    }
    base_url = addresses.get(account, model_class.default_base_url)
    if base_url is None:
        raise ConfigurationError(
            f"This stack does not know where the provider {account} is: put {account}=https://… into its parameter "
            "ProviderBaseUrls."
        )
    return base_url


def _find_way(account: str, *, measure_patience: Callable[[], float]) -> PublicInternet:
    """Give the way out for a provider's model: how long its calls may take, and which stores are the operator's own."""
    from mediaposter.safe_http import PublicInternet, parse_origin

    stores = stack.settings().provider_base_urls.get(f"{account}-files", "")
    return PublicInternet(measure_patience=measure_patience, own_origins=frozenset(map(parse_origin, stores.split())))


def publisher(*, timeout_seconds: float | None = None) -> PublisherInterface:
    """Build the publisher, which waits for an answer as long as it does by itself, or so long.

    Raises:
        ConfigurationError: its key is missing.
    """
    from mediaposter.publishing.blotato_client import BlotatoClient

    return BlotatoClient(
        api_key=stack.read_secret("blotato-api-key"),
        base_url=stack.settings().blotato_base_url,
        timeout_seconds=timeout_seconds,
    )
