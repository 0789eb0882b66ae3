"""Call the local stack's own model (`make up`), which draws a clip for any prompt and needs no real key."""

from __future__ import annotations

import httpx

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet

# The stand-in's default key; it is valid nowhere else.
SANDBOX_API_KEY = "sk-sandbox"


class SandboxVideoModel(SoraVideoModel):
    """The local stack's model, which speaks OpenAI's `/v1/videos`.

    It has no fixed address: the local stack takes free ports, and writes them into `.local/stack.json`.
    """

    provider = "sandbox"
    needs_api_key = False

    def __init__(
        self,
        *,
        entry: CatalogEntry,
        api_key: str = "",
        base_url: str,
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take the stand-in's address, including `/v1`, and a key if it has a different one.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(
            entry=entry,
            api_key=api_key or SANDBOX_API_KEY,
            base_url=base_url,
            http_client=http_client,
            timeout_seconds=timeout_seconds,
            internet=internet,
        )
