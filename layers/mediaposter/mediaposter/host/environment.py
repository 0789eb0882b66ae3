"""The keys, addresses and settings of a host, from its environment and a `.env` file; the environment wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr

from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS, SWITCHED_OFF
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.env_file import read_variables
from mediaposter.host.approval_channels import list_channels

# What a host sets itself, whatever its environment says of a function of the template.
_OWNER = "local"
_BLOTATO_ADDRESS = "https://backend.blotato.com/v2"
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
# What holds unless a variable says otherwise. A real post is public, so a person sees the video first.
_REAL_POSTS = {"DEFAULT_APPROVAL": "required"}
# A pretended Blotato has none of the limits of the real one.
_PRETENDED_POSTS = {"BLOTATO_POSTS_PER_MINUTE": "600", "BLOTATO_UPLOADS_PER_MINUTE": "600"}


# Accounts that an address opens. Its server may want a key, or none.
_BY_ADDRESS = frozenset(account.name for account in PROVIDER_ACCOUNTS if account.opened_by == "address")
_NO_KEY = "none"
_ADDRESSES = (
    *("GEMINI_BASE_URL", "FAL_BASE_URL", "PIKA_BASE_URL", "RUNWAY_BASE_URL", "RUNWAYML_BASE_URL"),
    *("SORA_BASE_URL", "BEDROCK_BASE_URL", "BLOTATO_BASE_URL"),
)


class HostEnvironment(BaseModel):
    """The variables that a host reads."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    gemini_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("GEMINI_API_KEY", "GOOGLE_API_KEY"))
    fal_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("FAL_KEY", "FAL_API_KEY", "PIKA_API_KEY"))
    runway_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("RUNWAY_API_KEY", "RUNWAYML_API_SECRET")
    )
    sora_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("SORA_API_KEY", "OPENAI_API_KEY"))
    blotato_api_key: SecretStr | None = Field(None, validation_alias="BLOTATO_API_KEY")
    captions_api_key: SecretStr | None = Field(None, validation_alias="CAPTIONS_API_KEY")
    approval_slack_url: SecretStr | None = Field(None, validation_alias="APPROVAL_SLACK_URL")
    approval_telegram_token: SecretStr | None = Field(None, validation_alias="APPROVAL_TELEGRAM_TOKEN")
    approval_email: str | None = Field(None, validation_alias="APPROVAL_EMAIL")
    smtp_url: SecretStr | None = Field(None, validation_alias="SMTP_URL")
    gemini_base_url: str | None = Field(None, validation_alias="GEMINI_BASE_URL")
    fal_base_url: str | None = Field(None, validation_alias=AliasChoices("FAL_BASE_URL", "PIKA_BASE_URL"))
    runway_base_url: str | None = Field(None, validation_alias=AliasChoices("RUNWAY_BASE_URL", "RUNWAYML_BASE_URL"))
    sora_base_url: str | None = Field(None, validation_alias=AliasChoices("SORA_BASE_URL", "OPENAI_BASE_URL"))
    bedrock_base_url: str | None = Field(None, validation_alias="BEDROCK_BASE_URL")
    blotato_base_url: str | None = Field(None, validation_alias="BLOTATO_BASE_URL")
    # Providers sign their webhooks with these. A host needs an address on the internet to get any.
    gemini_webhook_secret: SecretStr | None = Field(None, validation_alias="GEMINI_WEBHOOK_SECRET")
    sora_webhook_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SORA_WEBHOOK_SECRET", "OPENAI_WEBHOOK_SECRET")
    )

    def find_key(self, account: str) -> str | None:
        """Give the key of a provider's account; None without one. A server of your own may need none."""
        found: SecretStr | None = getattr(self, f"{account}_api_key", None)
        if account not in _BY_ADDRESS:
            return None if found is None else found.get_secret_value()
        # OpenAI's own is switched off, and OPENAI_API_KEY is set on many machines for other things.
        if account not in self.list_addresses():
            return None
        return _NO_KEY if found is None else found.get_secret_value()

    def find_webhook_secret(self, provider: str) -> str | None:
        """Give what a provider signs its webhooks with; None without one."""
        found: SecretStr | None = getattr(self, f"{provider}_webhook_secret", None)
        return None if found is None else found.get_secret_value()

    def list_addresses(self) -> dict[str, str]:
        """Give the addresses that are set, by their accounts."""
        addresses = {account.name: getattr(self, f"{account.name}_base_url") for account in PROVIDER_ACCOUNTS}
        return {name: address for name, address in addresses.items() if address is not None}

    def list_providers(self) -> list[str]:
        """List the providers that can be asked for a video."""
        return [
            name
            for account in PROVIDER_ACCOUNTS
            if self.find_key(account.name) is not None
            for name in account.providers
        ]


def read_environment(
    environ: Mapping[str, str], env_file: Path | None, *, own_url: str = ""
) -> tuple[HostEnvironment, Settings]:
    """Read the keys and the settings.

    Args:
        environ: the variables of the process.
        env_file: more of them, which do not replace these; None is no file.
        own_url: where this host listens. `OPENAI_BASE_URL` leads there where its clients run, too: that is no provider.

    Raises:
        ConfigurationError: the file or a variable is not valid; the sentence names it, never its value.
    """
    given = dict(environ) if env_file is None else read_variables(env_file, environ)
    # What is empty is not set: many tools set a variable to nothing.
    merged = {name: value.strip() for name, value in given.items() if value.strip()}
    if _is_no_provider(merged.get("OPENAI_BASE_URL", ""), own_url):
        del merged["OPENAI_BASE_URL"]
    if _is_same_place(merged.get("SORA_BASE_URL", ""), own_url):
        del merged["SORA_BASE_URL"]
    _check_addresses(merged)
    environment = HostEnvironment.model_validate(merged)
    addresses = environment.list_addresses()
    variables = {
        # So that a person's own key sees what comes by the inbox.
        "INBOX_OWNER": _OWNER,
        "EVENTS_OWNER": _OWNER,
        **(_PRETENDED_POSTS if environment.blotato_api_key is None else _REAL_POSTS),
        **merged,
        "STACK_NAME": _OWNER,
        "LIBRARY_TABLE": _OWNER,
        "VIDEO_BUCKET": _OWNER,
        # A receiver may be a program on this machine, whose owner runs this host.
        "WEBHOOK_TRANSPORT": "any",
        # By which of the other variables are set.
        "APPROVAL_CHANNELS": "",
        "STUDIO": "on",
        "BLOTATO_BASE_URL": environment.blotato_base_url or _BLOTATO_ADDRESS,
    }
    settings = Settings.from_environment(variables)
    channels = list_channels(environment, telegram_chat=settings.approval_telegram_chat)
    # A server of your own may hand its videos out itself, over plain http, too.
    stores = {f"{name}-files": _find_origin(address) for name, address in addresses.items() if name != "bedrock"}
    named = {**stores, **settings.provider_base_urls, **addresses}
    # The webhooks of the sandbox come from this process. Others reach a host that has an address for them.
    webhooks = tuple(dict.fromkeys((*settings.provider_webhooks, "sandbox")))
    return environment, settings.model_copy(
        update={"provider_base_urls": named, "provider_webhooks": webhooks, "approval_channels": channels}
    )


def _check_addresses(variables: Mapping[str, str]) -> None:
    """Refuse an address now that every request to it would fail with."""
    for name, value in variables.items():
        if name not in _ADDRESSES:
            continue
        is_bucket = name == "BEDROCK_BASE_URL"
        schemes = ("s3",) if is_bucket else ("https", "http")
        example = "s3://your-bucket/renders" if is_bucket else "https://server.example/v1"
        parts = _split(value)
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise ConfigurationError(f"{name} is no address such as {example}. Correct it, and start again.")
        if parts.hostname == SWITCHED_OFF:
            raise ConfigurationError(
                f"{name} leads to OpenAI, which renders no videos any more. Remove it, and start again."
            )


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _is_no_provider(address: str, own_url: str) -> bool:
    """Tell whether OpenAI's own variable leads where clients go: to this host, or to OpenAI, which renders no more."""
    parts = _split(address)
    return parts is not None and (parts.hostname == SWITCHED_OFF or _is_same_place(address, own_url))


def _is_same_place(address: str, own_url: str) -> bool:
    """Tell whether an address is this host's own, by any name of this machine's loopback."""
    there, own = urlsplit(address).netloc, urlsplit(own_url).netloc
    if not own or there == own:
        return there == own != ""
    (name, _, port), (own_name, _, own_port) = there.rpartition(":"), own.rpartition(":")
    return port == own_port and {name, own_name} <= _LOOPBACK


def _find_origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
