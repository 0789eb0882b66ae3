"""The faults a stand-in plays on request, the rules that ask for them, and which one a call meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializeAsAny


class Closed(BaseModel):
    """What a stand-in takes and shows where it is steered: no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(Closed):
    """What a fault does; a stand-in has more of its own."""

    type: str


class Answer(Action):
    """What goes out in the place of the real answer. A string goes out as it is, any other body as JSON."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, str] = {}
    body: JsonValue = None


class Respond(Answer):
    """Answer this and do nothing."""

    type: Literal["respond"] = "respond"


class AcceptThenRespond(Answer):
    """Do the work, then answer this."""

    type: Literal["accept_then_respond"] = "accept_then_respond"


class Drop(Action):
    """Close the connection before anything is done."""

    type: Literal["drop"] = "drop"


class AcceptThenDrop(Action):
    """Do the work, then close the connection without an answer."""

    type: Literal["accept_then_drop"] = "accept_then_drop"


class Delay(Action):
    """Do the work, and answer so much later."""

    type: Literal["delay"] = "delay"
    seconds: float = Field(gt=0)


class NeverFinish(Action):
    """Accept the job, and let it be in progress for ever."""

    type: Literal["never_finish"] = "never_finish"


class ShowStatus(Action):
    """Show this word for the status, as gateways do (`processing`, `cancelled`)."""

    type: Literal["status"] = "status"
    status: str


class Truncate(Action):
    """Declare the whole length, and close the connection after so many bytes."""

    type: Literal["truncate"] = "truncate"
    after_bytes: int = Field(ge=0)


class TruncateSilently(Action):
    """Declare no length, and end the body properly after so many bytes."""

    type: Literal["truncate_silently"] = "truncate_silently"
    after_bytes: int = Field(ge=0)


class NotMp4(Action):
    """Answer 200 with a page of HTML."""

    type: Literal["not_mp4"] = "not_mp4"


class Stall(Action):
    """Send so many bytes, then nothing for so long, then close the connection."""

    type: Literal["stall"] = "stall"
    after_bytes: int = Field(ge=0)
    seconds: float = Field(gt=0)


class ExpiredUrl(Action):
    """Refuse the address that was asked for, from now on."""

    type: Literal["expired_url"] = "expired_url"


Plays = Mapping[str, tuple[type[Action], ...]]

# What any stand-in can play where a job is created, asked for, and fetched.
ON_CREATE = (Respond, Delay, Drop, AcceptThenDrop, AcceptThenRespond, NeverFinish)
ON_RETRIEVE = (Respond, Delay, Drop, ShowStatus)
ON_CONTENT = (Respond, Delay, Drop, Truncate, TruncateSilently, NotMp4, Stall)


class Rule(Closed):
    """Play a fault on calls whose text contains `match` ("" is in all), `times` times (null is always).

    `on` is the kind of call; its text is a prompt, or what else the stand-in says.
    """

    on: str
    match: str = ""
    times: int | None = Field(default=None, ge=1)
    action: SerializeAsAny[Action]


class _RawRule(Closed):
    on: str
    match: str = ""
    times: int | None = None
    action: dict[str, JsonValue]


class _RawScript(Closed):
    rules: tuple[_RawRule, ...]


def read_rules(body: bytes, plays: Plays) -> list[Rule]:
    """Read what `POST /_sandbox/faults` takes: `{"rules": […]}`.

    Raises:
        ValueError: it is no script, or asks for what this stand-in does not play.
    """
    rules = []
    for raw in _RawScript.model_validate_json(body).rules:
        kinds = {kind.model_fields["type"].default: kind for kind in plays.get(raw.on, ())}
        kind = kinds.get(raw.action.get("type"))
        if kind is None:
            raise ValueError(f"On {raw.on!r} this stand-in plays {sorted(kinds)}, not {raw.action.get('type')!r}.")
        action = kind.model_validate(raw.action)
        rules.append(Rule(on=raw.on, match=raw.match, times=raw.times, action=action))
    return rules


class FaultBook:
    """The rules in force. A call meets the first that fits and has not been used up."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._times_played: list[int] = []

    def add(self, rules: Iterable[Rule]) -> None:
        """Put rules behind the ones there are."""
        for rule in rules:
            self._rules.append(rule)
            self._times_played.append(0)

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()
        self._times_played.clear()

    def pick(self, on: str, text: str) -> Action | None:
        """Give the fault that a call of this kind with this text meets; count it as played."""
        for position, rule in enumerate(self._rules):
            if rule.on != on or rule.match not in text:
                continue
            if rule.times is None or self._times_played[position] < rule.times:
                self._times_played[position] += 1
                return rule.action
        return None
