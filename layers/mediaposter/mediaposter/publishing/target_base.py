"""What the targets of all networks share: account, caption and time, and the checks against a network's rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal, NoReturn, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from mediaposter.domain.text import refuse_unwritable_within
from mediaposter.publishing.networks import Network

TARGETS_MAX = 20
# The limit for the text of all targets; a longer one belongs to a target whose network takes it.
TEXT_MAX_CHARACTERS = 5_000
# Blotato plans nine months ahead (start-with-an-ai-agent, limits); the shortest nine have 273 days.
SCHEDULED_AHEAD_MAX = timedelta(days=273)

# How a post is passed to the publisher.
Delivery: TypeAlias = Literal["direct", "verified"]

_NOT_SENT = frozenset({"platform", "account_id", "text", "disclosure", "premium", "scheduled_time", "next_free_slot"})
_PLACEHOLDER = re.compile(r"\{(prompt|title)\}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
_UPRIGHT = 9 / 16
# Models also make upright videos of 704x1280 and 1024x1792, which the networks accept as 9:16.
_FRAMES_SECONDS = 0.1
_UPRIGHT_TOLERANCE = 0.03
_DISCLOSURE_MAX_CHARACTERS = 200
# Off while a record is read: posts planned under older rules stay readable.
_RULES_HOLD: ContextVar[bool] = ContextVar("rules_hold", default=True)


def _require_whole_characters(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have null characters")
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("must not have half a character, as an emoji that was cut in two leaves")
    return text


def _require_line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > _DISCLOSURE_MAX_CHARACTERS:
        raise ValueError(f"at most {_DISCLOSURE_MAX_CHARACTERS} characters, got {len(text)}")
    if re.search("[\0-\x1f]", text):
        raise ValueError("must be one line without control characters")
    return text


def _require_date_time(value: object) -> object:
    # Pydantic would read a number as seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_TIME.match(value)):
        return value
    raise ValueError("must be a date and time with its offset, as 2026-12-24T18:00:00Z")


def _convert_to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside of the calendar") from error


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return value


ACCOUNT_ID = r"^[A-Za-z0-9_-]{1,64}$"
AccountId = Annotated[str, StringConstraints(pattern=ACCOUNT_ID)]
PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
PlaylistId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
# Meta's own rule for names; Blotato wants them without the @.
InstagramName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._]{1,30}$")]
Text = Annotated[str, AfterValidator(_require_whole_characters)]
Line = Annotated[
    Text,
    AfterValidator(_require_line),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _DISCLOSURE_MAX_CHARACTERS}),
]
# No user and no password, since a post is public.
PublicUrl = Annotated[
    str, StringConstraints(max_length=2048, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?$")
]
ScheduledTime = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time), AfterValidator(_convert_to_utc)
]
# Not strict, since the table returns numbers as decimals, and a form as text.
Milliseconds = Annotated[int, Field(strict=False, ge=0, le=3_600_000), BeforeValidator(_refuse_boolean)]


class VideoShape(BaseModel):
    """The shape of a planned or finished video; its bytes are known once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    seconds: float
    size_bytes: int | None = None


def check_scheduled_time(scheduled_time: datetime, *, now: datetime) -> None:
    """Refuse a time in the past, or too far ahead for Blotato.

    Raises:
        ValueError: names the field and the limit.
    """
    if scheduled_time <= now:
        raise ValueError(f"scheduled_time: must be in the future, got {_write_time(scheduled_time)}")
    latest = now + SCHEDULED_AHEAD_MAX
    if scheduled_time > latest:
        raise ValueError(
            f"scheduled_time: at most nine months ahead, until {_write_time(latest)}, got {_write_time(scheduled_time)}"
        )


def _write_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class PublishTarget(BaseModel):
    """The fields of every network: the connected account, the caption, and the time.

    `text` is the caption; the default is the request's `text`, then the prompt. In a text `{prompt}` and `{title}`
    stand for those of the request. `next_free_slot` is the next of the times that are set up at Blotato. The rules of
    `networks.py` apply to texts, each in the unit that its network counts.
    """

    # A text may quote the prompt, and an error ends in a log.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    network: ClassVar[Network]

    platform: str
    account_id: AccountId
    text: Text | None = None
    scheduled_time: ScheduledTime | None = None
    next_free_slot: bool = False

    @model_validator(mode="before")
    @classmethod
    def _require_whole_characters(cls, fields: object) -> object:
        refuse_unwritable_within(fields)
        return fields

    @property
    def post_id(self) -> str:
        """Name the post within its video: a video goes to a network's account once."""
        return f"{self.platform}#{self.account_id}"

    @property
    def takes_caption(self) -> bool:
        """Tell whether its post has a caption: a story on Instagram has none."""
        return "text" in self._find_network().texts

    @model_validator(mode="after")
    def _refuse_two_times(self) -> Self:
        if self.next_free_slot and self.scheduled_time is not None:
            raise ValueError("next_free_slot: not beside a scheduled_time; send one of them")
        return self

    @model_validator(mode="after")
    def _fit_texts(self) -> Self:
        if not _RULES_HOLD.get():
            return self
        for name in self._find_network().texts:
            text = getattr(self, name)
            if text is not None and (fault := self._find_text_fault(name, text)):
                _refuse(self, name, fault)
        # The value of a placeholder may begin or end a hashtag.
        if not _PLACEHOLDER.search(self.text or "") and (fault := self._find_tag_fault(self.text or "")):
            _refuse(self, "text", fault)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, JsonValue]:
        """Add to each text the rules of its network."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, rule in cls.network.texts.items():
            properties[name]["description"] = f"{rule.describe()}."
            if not rule.may_be_empty:
                given = next(
                    kind for kind in properties[name].get("anyOf", [properties[name]]) if kind["type"] == "string"
                )
                # None of their units is larger than a code point, which JSON Schema counts.
                given.update(minLength=1, maxLength=min(most for most, _ in rule.limits))
        return schema

    def check_caption(self, caption: str) -> str:
        """Refuse a caption that the network would refuse, instead of cutting it silently.

        Raises:
            ValueError: names the field, the limit, and the count as the network counts it.
        """
        fault = self._find_network().find_text_fault("text", caption) or self._find_tag_fault(caption)
        if fault:
            raise ValueError(fault)
        return caption

    def compose_caption(self, *, prompt: str, title: str | None, default_text: str | None) -> str:
        """Write the caption as it will be sent.

        Placeholders are filled in texts only; a prompt becomes the caption unchanged.

        Raises:
            ValueError: it would not fit, or names a title that there is not; naming the field, the limit, and the
                count as the network counts it.
        """
        template = default_text if self.text is None else self.text
        caption = prompt if template is None else _fill_in(template, prompt=prompt, title=title)
        return self.check_caption(self._disclose(caption))

    def check_video(self, shape: VideoShape) -> None:
        """Refuse a video the network would refuse.

        Raises:
            ValueError: names the field and the limit.
        """
        limits = self._find_network().video
        seconds = f"{shape.seconds:.10g}"
        if shape.seconds > limits.seconds_max:
            raise ValueError(f"seconds: at most {limits.seconds_max} on {self.platform}, got {seconds}")
        # A clip of four seconds is often a frame or two shorter; the network itself checks that.
        if shape.seconds < limits.seconds_min - _FRAMES_SECONDS:
            raise ValueError(f"seconds: at least {limits.seconds_min} on {self.platform}, got {seconds}")
        size = f"{shape.width}x{shape.height}"
        if limits.is_upright and abs(shape.width / shape.height / _UPRIGHT - 1) > _UPRIGHT_TOLERANCE:
            raise ValueError(f"size: must be upright, 9:16 as 720x1280 is, on {self.platform}, got {size}")
        width_max, height_max = limits.width_max or shape.width, limits.height_max or shape.height
        if shape.width > width_max or shape.height > height_max:
            raise ValueError(f"size: at most {width_max}x{height_max} on {self.platform}, got {size}")
        if shape.size_bytes is not None and shape.size_bytes > limits.bytes_max:
            raise ValueError(f"bytes: at most {limits.bytes_max} on {self.platform}, got {shape.size_bytes}")

    def to_wire(self) -> dict[str, object]:
        """Build the `target` object of Blotato's POST /posts."""
        fields = self.model_dump(exclude=set(_NOT_SENT), exclude_none=True)
        return {"targetType": self.platform, **{to_camel(name): value for name, value in fields.items()}}

    def with_default_disclosure(self, disclosure: str) -> Self:
        """Give the target with the stack's disclosure, where the network has no AI label and none is set."""
        del disclosure
        return self

    def _disclose(self, caption: str) -> str:
        return caption

    def _find_network(self) -> Network:
        return self.network

    def _find_text_fault(self, name: str, text: str) -> str | None:
        """Report the error of a text; a text with placeholders is measured once they are filled in."""
        network = self._find_network()
        if name == "text" and _PLACEHOLDER.search(text):
            most = max(TEXT_MAX_CHARACTERS, *(limit.most for limit in network.texts[name].limits))
            return f"text: at most {most} characters, got {len(text)}" if len(text) > most else None
        return network.find_text_fault(name, text)

    def _find_tag_fault(self, caption: str) -> str | None:
        return self._find_network().find_tag_fault(caption, getattr(self, "first_comment", None))


def _refuse(target: PublishTarget, field: str, sentence: str) -> NoReturn:
    """Refuse a target under the name of one field, for a rule about several."""
    problem = PydanticCustomError("text_rule", "{sentence}", {"sentence": sentence})
    details = InitErrorDetails(type=problem, loc=(field,), input=None)
    raise ValidationError.from_exception_data(type(target).__name__, [details], hide_input=True)


class UnlabelledTarget(PublishTarget):
    """A network without an AI label: `disclosure` goes at the end of the caption, on its own line, if it lacks it."""

    disclosure: Line | None = None

    def with_default_disclosure(self, disclosure: str) -> Self:
        """Give the target with the stack's disclosure, if it has none of its own."""
        return self if self.disclosure is not None else self.model_copy(update={"disclosure": disclosure})

    def _disclose(self, caption: str) -> str:
        if self.disclosure and self.disclosure.casefold() in caption.casefold():
            return caption
        return "\n".join(part for part in (caption, self.disclosure) if part)


def _fill_in(template: str, *, prompt: str, title: str | None) -> str:
    """Fill in the prompt and the title in one pass: placeholders within their values stay as they are."""
    words = {"prompt": prompt, "title": title}
    if title is None and "{title}" in template:
        raise ValueError("text: names {title}, and the request has no title")
    return _PLACEHOLDER.sub(lambda found: words[found[1]] or "", template)


TargetT = TypeVar("TargetT")


def read_record(value: object, read: Callable[[object], TargetT]) -> TargetT:
    """Read a target in a record, without the rules for its texts: it may have been planned under older rules."""
    token = _RULES_HOLD.set(False)
    try:
        return read(value)
    finally:
        _RULES_HOLD.reset(token)
