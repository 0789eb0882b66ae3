"""The faults a stand-in plays on request: what they are, and which one a call meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Closed(BaseModel):
    """What a stand-in takes and shows where it is steered: no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(Closed):
    """What a fault puts in the place of the real answer. A string goes out as it is, any other body as JSON."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, str] = {}
    body: JsonValue = None


class Respond(Answer):
    """Answer this and do nothing."""

    type: Literal["respond"] = "respond"


class Delay(Closed):
    """Do the work, and answer so much later."""

    type: Literal["delay"] = "delay"
    seconds: float = Field(gt=0)


class Drop(Closed):
    """Close the connection before anything is done."""

    type: Literal["drop"] = "drop"


class AcceptThenDrop(Closed):
    """Do the work, then close the connection without an answer."""

    type: Literal["accept_then_drop"] = "accept_then_drop"


class AcceptThenRespond(Answer):
    """Do the work, then answer this."""

    type: Literal["accept_then_respond"] = "accept_then_respond"


class Fail(Closed):
    """Accept the job, and let it fail where it would have been completed."""

    type: Literal["fail"] = "fail"
    code: str = "moderation_blocked"
    message: str = "Your request was blocked by our moderation system."


class NeverFinish(Closed):
    """Accept the job, and let it be in progress for ever."""

    type: Literal["never_finish"] = "never_finish"


class MoovLast(Closed):
    """Render the clip with its index at the end."""

    type: Literal["moov_last"] = "moov_last"


class VllmFailed(Closed):
    """Accept the job and let it fail as in vLLM-Omni 0.30: each GET answers `status`, the job is its body.

    The `code` in the job's error is an integer there.
    """

    type: Literal["vllm_failed"] = "vllm_failed"
    status: int = Field(default=500, ge=400, le=599)
    code: int = 500
    message: str = "The engine died."


class ShowStatus(Closed):
    """Show this word for the status, as gateways do (`processing`, `cancelled`)."""

    type: Literal["status"] = "status"
    status: str


class Truncate(Closed):
    """Declare the whole length, and close the connection after so many bytes."""

    type: Literal["truncate"] = "truncate"
    after_bytes: int = Field(ge=0)


class TruncateSilently(Closed):
    """Declare no length, and end the body properly after so many bytes."""

    type: Literal["truncate_silently"] = "truncate_silently"
    after_bytes: int = Field(ge=0)


class NotMp4(Closed):
    """Answer 200 with a page of HTML."""

    type: Literal["not_mp4"] = "not_mp4"


class Stall(Closed):
    """Send so many bytes, then nothing for so long, then close the connection."""

    type: Literal["stall"] = "stall"
    after_bytes: int = Field(ge=0)
    seconds: float = Field(gt=0)


class SglangVariant(Closed):
    """Answer 404 to any `variant`, as SGLang Diffusion 0.5.23 does, for which it is a number."""

    type: Literal["sglang_variant"] = "sglang_variant"


class FaultRule(Closed):
    """Play a fault on calls whose prompt contains `match` ("" is in all), `times` times (null is always)."""

    match: str = ""
    times: int | None = Field(default=None, ge=1)


class OnCreate(FaultRule):
    """A fault of the call that starts a job, or of the job it starts."""

    on: Literal["create"] = "create"
    action: Annotated[
        Respond | Delay | Drop | AcceptThenDrop | AcceptThenRespond | Fail | NeverFinish | MoovLast | VllmFailed,
        Field(discriminator="type"),
    ]


class OnRetrieve(FaultRule):
    """A fault of the call that asks how a job stands."""

    on: Literal["retrieve"] = "retrieve"
    action: Annotated[Respond | Delay | Drop | ShowStatus, Field(discriminator="type")]


class OnContent(FaultRule):
    """A fault of the call that fetches a finished video."""

    on: Literal["content"] = "content"
    action: Annotated[
        Respond | Delay | Drop | Truncate | TruncateSilently | NotMp4 | Stall | SglangVariant,
        Field(discriminator="type"),
    ]


VideosFault = OnCreate | OnRetrieve | OnContent
RuleT = TypeVar("RuleT", bound=FaultRule)


class Script(Closed, Generic[RuleT]):
    """What `POST /_sandbox/faults` takes: rules, added behind the ones there are."""

    rules: tuple[RuleT, ...]


class FaultScript(Script[Annotated[VideosFault, Field(discriminator="on")]]):
    """The script of the stand-in for a Videos API server."""


PickedT = TypeVar("PickedT", bound=FaultRule)


class FaultBook(Generic[RuleT]):
    """The rules in force. A call meets the first that fits and has not been used up."""

    def __init__(self) -> None:
        self._rules: list[RuleT] = []
        self._times_played: list[int] = []

    def add(self, rules: Iterable[RuleT]) -> None:
        """Put rules behind the ones there are."""
        for rule in rules:
            self._rules.append(rule)
            self._times_played.append(0)

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()
        self._times_played.clear()

    def pick(self, on: type[PickedT], text: str, *, fits: Callable[[PickedT], bool] = lambda _: True) -> PickedT | None:
        """Give the rule that a call with this text meets, of this kind and as `fits` asks; count it as played."""
        for position, rule in enumerate(self._rules):
            if not isinstance(rule, on) or rule.match not in text or not fits(rule):
                continue
            if rule.times is None or self._times_played[position] < rule.times:
                self._times_played[position] += 1
                return rule
        return None
