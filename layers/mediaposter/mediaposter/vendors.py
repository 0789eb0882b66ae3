"""Build the video models and the publisher from a stack's settings; only this module knows the adapters."""

from __future__ import annotations

import time
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mediaposter.ai.catalog import Catalog
    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.config import Settings
    from mediaposter.http.outbound import PublicInternet
    from mediaposter.publishing.chat_interface import ChatModel
    from mediaposter.publishing.publisher_interface import PublisherInterface

_CATALOG_MAX_AGE_SECONDS = 60
# A provider waits for the answer to its webhook, and the route has 29 seconds.
_KEYS_SECONDS = 10.0


class Vendors:
    """The providers and the publisher of a stack."""

    def __init__(
        self, settings: Settings, *, read_secret: Callable[[str], str], read_text: Callable[[str], str]
    ) -> None:
        """Prepare to build; `read_text` reads a small file of the stack's owner."""
        self._settings = settings
        self._read_secret = read_secret
        self._read_text = read_text
        self._read_catalog = lru_cache(maxsize=1)(self._parse_catalog)
        self._find_hearing_model = cache(self._build_hearing_model)

    def read_catalog(self) -> Catalog:
        """Read the catalog of this stack: the built-in one, extended by its file and its parameter.

        Raises:
            ConfigurationError: the file or the parameter is wrong; the sentence says where.
        """
        # The minute is the key of the cache: a new file holds a minute later, and a warm function reads it once a
        # minute.
        return self._read_catalog(int(time.time() // _CATALOG_MAX_AGE_SECONDS))

    def _parse_catalog(self, _period: int) -> Catalog:
        from mediaposter.ai.catalog import built_in_catalog, built_in_catalog_text, parse_catalog

        found = built_in_catalog()
        if key := self._settings.catalog_key:
            found = parse_catalog(self._read_text(key), extending=built_in_catalog_text())
        return found.with_aliases(self._settings.model_aliases)

    def build_model(self, provider: str, model: str, *, seconds: float) -> VideoModelInterface:
        """Build a provider's model, whose calls end within `seconds` from now, whatever the provider does.

        Raises:
            ConfigurationError: its key or address is missing, or its address is invalid.
        """
        from mediaposter.ai.video_model_factory import create_video_model, find_model_class

        model_class = find_model_class(provider)
        account = model_class.account or provider
        ends_at = time.monotonic() + seconds
        return create_video_model(
            provider,
            model,
            api_key=self._read_secret(f"providers/{account}-api-key") if model_class.needs_api_key else "",
            base_url=self._find_base_url(model_class, account),
            catalog=self.read_catalog(),
            internet=self._find_way(account, measure_patience=lambda: ends_at - time.monotonic()),
        )

    def build_publisher(self, *, timeout_seconds: float | None = None) -> PublisherInterface:
        """Build the publisher, with its default timeout or with `timeout_seconds`.

        Raises:
            ConfigurationError: its key is missing.
        """
        from mediaposter.publishing.blotato_client import BlotatoClient

        return BlotatoClient(
            api_key=self._read_secret("blotato-api-key"),
            base_url=self._settings.blotato_base_url,
            timeout_seconds=timeout_seconds,
        )

    def build_chat_model(self) -> ChatModel:
        """Build the model that writes captions.

        Raises:
            ConfigurationError: its key is missing.
        """
        from mediaposter.publishing.chat_client import ChatClient

        return ChatClient(
            api_key=self._read_secret("captions-api-key"),
            base_url=self._settings.captions_base_url,
            model=self._settings.captions_model,
        )

    def parse_webhook(self, provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Verify a provider's webhook, and give the job it is about.

        Raises:
            ConfigurationError: its secret is missing, or no model of the provider has webhooks.
        """
        model = self._find_hearing_model(provider)
        # Any of several secrets may have signed, so that you can rotate them.
        secrets = (
            self._read_secret(f"webhooks/{provider}-secret").replace(",", " ").split()
            if model.signs_with_secret
            else ()
        )
        return model.parse_webhook(headers, body, secrets=secrets, now=at)

    def _build_hearing_model(self, provider: str) -> VideoModelInterface:
        """Build a model that reads its provider's webhooks; it keeps what it fetched to verify them."""
        from mediaposter.ai.video_model_factory import create_video_model, find_model_class

        model_class = find_model_class(provider)
        catalog = self.read_catalog()
        entries = [entry for entry in catalog.models.values() if entry.provider == provider]
        entry = next((entry for entry in entries if entry.capabilities.webhook), None)
        if entry is None:
            raise ConfigurationError(
                f"ProviderWebhooks names {provider}, and no model of it in the catalog has webhooks."
            )
        account = model_class.account or provider
        # It sends no key. The model is cached, so each call gets the full time.
        return create_video_model(
            provider,
            entry.name,
            api_key="none",
            base_url=self._find_base_url(model_class, account),
            catalog=catalog,
            internet=self._find_way(account, measure_patience=lambda: _KEYS_SECONDS),
        )

    def _find_base_url(self, model_class: type[VideoModelInterface], account: str) -> str:
        # Bedrock writes its videos into a bucket: this stack's own.
        base_url = self._settings.provider_base_urls.get(account, model_class.default_base_url)
        if account == "bedrock" and account not in self._settings.provider_base_urls:
            return f"s3://{self._settings.require('video_bucket')}/renders"
        if base_url is None:
            raise ConfigurationError(
                f"This stack does not know where the provider {account} is: put {account}=https://… into its parameter "
                "ProviderBaseUrls."
            )
        return base_url

    def _find_way(self, account: str, *, measure_patience: Callable[[], float]) -> PublicInternet:
        """Build the HTTP access of a model: how long its calls may take, and which stores are the operator's own."""
        from mediaposter.http.outbound import PublicInternet, parse_origin

        stores = self._settings.provider_base_urls.get(f"{account}-files", "")
        return PublicInternet(
            measure_patience=measure_patience, own_origins=frozenset(map(parse_origin, stores.split()))
        )
