"""The settings of a stack, as the template hands them to each function."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from mediaposter.domain.channels import Channel
from mediaposter.domain.errors import ConfigurationError

# The state machine's maximum of fallback models, from the request or from the settings.
FALLBACK_MODELS_MAX = 4


def _split(value: object) -> object:
    """Read `a, b`."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _parse_pairs(value: object) -> object:
    """Read `name=value, name=value`."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(name.strip() and sign and content.strip() for name, sign, content in pairs):
        raise ValueError("must read name=value, name=value")
    return {name.strip(): content.strip() for name, _, content in pairs}


def _parse_dollars(value: object) -> object:
    """Read `12.50` as micro-dollars; nothing, and 0, is no limit."""
    if not isinstance(value, str):
        return value
    try:
        micros = Decimal(value or "0") * 1_000_000
    except InvalidOperation as error:
        raise ValueError("must be dollars, such as 12.50") from error
    if not micros.is_finite() or micros < 0 or micros % 1 != 0:
        raise ValueError("must be dollars, such as 12.50")
    return int(micros) or None


class Settings(BaseModel):
    """The environment variables of a function; all have the names, and only those that read it another setting."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stack_name: str = Field(default="", alias="STACK_NAME")
    library_table: str = Field(default="", alias="LIBRARY_TABLE")
    video_bucket: str = Field(default="", alias="VIDEO_BUCKET")
    event_bus: str = Field(default="", alias="EVENT_BUS")
    state_machine_arn: str = Field(default="", alias="STATE_MACHINE_ARN")
    batch_machine_arn: str = Field(default="", alias="BATCH_MACHINE_ARN")
    probe_function: str = Field(default="", alias="PROBE_FUNCTION")
    cancel_render_function: str = Field(default="", alias="CANCEL_RENDER_FUNCTION")
    secrets_path: str = Field(default="", alias="SECRETS_PATH")
    provider_base_urls: Annotated[dict[str, str], BeforeValidator(_parse_pairs)] = Field(
        default_factory=dict, alias="PROVIDER_BASE_URLS"
    )
    model_aliases: Annotated[dict[str, str], BeforeValidator(_parse_pairs)] = Field(
        default_factory=dict, alias="MODEL_ALIASES"
    )
    fallback_models: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), alias="FALLBACK_MODELS", max_length=FALLBACK_MODELS_MAX
    )
    provider_webhooks: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), alias="PROVIDER_WEBHOOKS"
    )
    provider_concurrency: Annotated[dict[str, Annotated[int, Field(gt=0)]], BeforeValidator(_parse_pairs)] = Field(
        default_factory=dict, alias="PROVIDER_CONCURRENCY"
    )
    daily_budget_micros: Annotated[int | None, BeforeValidator(_parse_dollars)] = Field(
        default=None, alias="DAILY_BUDGET_USD"
    )
    monthly_budget_micros: Annotated[int | None, BeforeValidator(_parse_dollars)] = Field(
        default=None, alias="MONTHLY_BUDGET_USD"
    )
    catalog_key: str = Field(default="", alias="CATALOG_KEY")
    webhook_queue_url: str = Field(default="", alias="WEBHOOK_QUEUE_URL")
    webhook_transport: Literal["https-only", "any"] = Field(default="https-only", alias="WEBHOOK_TRANSPORT")
    inbox_owner: str = Field(default="inbox", alias="INBOX_OWNER")
    events_owner: str = Field(default="events", alias="EVENTS_OWNER")
    default_approval: Literal["none", "required"] = Field(default="none", alias="DEFAULT_APPROVAL")
    default_disclosure: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f]*$")
    ] = Field(default="", alias="DEFAULT_DISCLOSURE")
    captions_base_url: str = Field(default="", alias="CAPTIONS_BASE_URL")
    captions_model: str = Field(default="", alias="CAPTIONS_MODEL")
    approval_channels: Annotated[tuple[Channel, ...], BeforeValidator(_split)] = Field(
        default=(), alias="APPROVAL_CHANNELS"
    )
    approval_telegram_chat: str = Field(default="", alias="APPROVAL_TELEGRAM_CHAT")
    approval_topic_arn: str = Field(default="", alias="APPROVAL_TOPIC_ARN")
    telegram_base_url: str = Field(default="https://api.telegram.org", alias="TELEGRAM_BASE_URL")
    # In micro-dollars for a million tokens: 250000 is $0.25.
    captions_input_price_micros: int = Field(default=0, alias="CAPTIONS_INPUT_PRICE_MICROS", ge=0, le=1_000_000_000)
    captions_output_price_micros: int = Field(default=0, alias="CAPTIONS_OUTPUT_PRICE_MICROS", ge=0, le=1_000_000_000)
    studio: Literal["on", "off"] = Field(default="on", alias="STUDIO")
    blotato_base_url: str = Field(default="https://backend.blotato.com/v2", alias="BLOTATO_BASE_URL")
    posts_per_minute: int = Field(default=30, alias="BLOTATO_POSTS_PER_MINUTE", gt=0)
    uploads_per_minute: int = Field(default=10, alias="BLOTATO_UPLOADS_PER_MINUTE", gt=0)
    uploads_per_day: int = Field(default=20_000, alias="UPLOADS_PER_DAY", gt=0)
    upload_gib_per_day: int = Field(default=100, alias="UPLOAD_GIB_PER_DAY", gt=0)
    call_lease_seconds: int = Field(default=120, alias="CALL_LEASE_SECONDS", gt=0)
    generation_timeout_seconds: int = Field(default=3600, alias="GENERATION_TIMEOUT_SECONDS", gt=0, le=43_200)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            ConfigurationError: naming the variable that is wrong.
        """
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            names = ", ".join(str(problem["loc"][0]) for problem in error.errors())
            raise ConfigurationError(f"These environment variables of the function are not valid: {names}.") from error

    @property
    def has_studio(self) -> bool:
        """Tell whether the API serves the studio."""
        return self.studio == "on"

    @property
    def is_approval_default(self) -> bool:
        """Tell whether posts wait for a person, unless an approver's request says "none"."""
        return self.default_approval == "required"

    @property
    def upload_bytes_per_day(self) -> int:
        """Give how many bytes an owner may presign uploads for in a day."""
        return self.upload_gib_per_day * 1024**3

    def require(self, name: str) -> str:
        """Give a setting that must not be empty.

        Raises:
            ConfigurationError: naming the environment variable to set.
        """
        value = str(getattr(self, name))
        if not value:
            variable = type(self).model_fields[name].alias
            raise ConfigurationError(f"{variable} is not set on this function; see template.yaml.")
        return value
