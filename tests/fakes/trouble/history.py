"""What happens to a stack: what is asked of it, and what goes wrong. Drawn at once, so that it shrinks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

# All times are seconds after the beginning.

Answer = Literal["approve", "edit", "reject", "nothing"]
# How the renders of a video end, one after the other.
RenderEnd = Literal["ok", "failed", "failed and charged", "refused"]
# Who works: the steps of the video machine, those of batches, and what stands around them.
Who = Literal[
    "start",
    "check",
    "store",
    "ask",
    "create_post",
    "check_post",
    "close",
    "sweep",
    "dispatch",
    "owner",
    "webhook",
    "batch",
]
AccidentKind = Literal["dies", "sleeps", "sleeps and dies", "is cut off"]
DeedKind = Literal[
    "delete", "repost", "repost what failed", "cancel post", "move post", "abort", "webhook", "resend", "cancel batch",
    "cancel batch and what runs", "post it by hand", "resolve",
]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Something that shows only what differs from its defaults: a shrunken history is a line."""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, repr=False)
class Wish(Told):
    """A request for a video.

    Attributes:
        fallback: the model that takes over.
        ends: how its renders end; those that are not named end well.
        post_in_minutes: when its posts go out; None is at once.
        number: which of the requests it is.
        is_marked: whether that shows in what is asked of the provider, in a field that no list shows.
    """

    at: int = 0
    model: str = "plain-1"
    size: str = "720x1280"
    seconds: int = 4
    number: int = 0
    is_marked: bool = False
    has_picture: bool = False
    fallback: str | None = None
    resubmit: bool = False
    render_seconds: int = 60
    ends: tuple[RenderEnd, ...] = ()
    accounts: tuple[str, ...] = ()
    post_in_minutes: int | None = None
    is_verified: bool = False
    answer: Answer | None = None


@dataclass(frozen=True, repr=False)
class Rows(Told):
    """A request for a batch."""

    at: int = 0
    rows: tuple[Wish, ...] = ()


@dataclass(frozen=True, repr=False)
class Outage(Told):
    """Something that does not work for a time: each call of it, or each `every`-th.

    Attributes:
        what: the edge.
        how: what it does instead; of functions, which one.
    """

    what: str = ""
    how: str = "down"
    at: int = 0
    seconds: int = 60
    every: int = 1


@dataclass(frozen=True, repr=False)
class Accident(Told):
    """What happens to the first worker of a kind that begins at or after a time.

    Attributes:
        point: at which of the sides of its effects; where it has fewer, right after its work.
        what: it dies; it sleeps; it does so, and crashes at the next point; or its caller takes it for crashed while
            it sleeps.
    """

    who: Who = "start"
    at: int = 0
    point: int = 1
    what: AccidentKind = "dies"
    seconds: int = 30


@dataclass(frozen=True, repr=False)
class Deed(Told):
    """What a person does to the video, or the batch, of a number; nothing if there is none yet."""

    what: DeedKind = "delete"
    at: int = 0
    number: int = 0


@dataclass(frozen=True, repr=False)
class Setting(Told):
    """How the stack is set up.

    Attributes:
        slots: how many videos each provider renders at once.
        page: how many entries of an index one question gives.
        limit_micros: what may be spent a day: by the key,
        limits_stack: or by the whole stack.
        lag_seconds: how old what DescribeExecution tells may be, and
        stale: which of the questions get such an answer, in turn.
        crash_error: what the machine calls a function that died.
        closes_again_after: after how many seconds the event of a broken execution comes once more; 0 is never.
        answers_after: after how many seconds a person answers a question.
        insists: whether who got an error asks again.
        resolves: whether a person says what became of a post in doubt.
        calls_per_minute: the publisher's limits.
    """

    slots: int = 10
    page: int = 100
    limit_micros: int | None = None
    limits_stack: bool = False
    lag_seconds: int = 0
    stale: tuple[bool, ...] = ()
    list_lag_seconds: int = 0
    crash_error: str = "Runtime.ExitError"
    closes_again_after: int = 0
    answers_after: int = 60
    insists: bool = True
    resolves: bool = True
    calls_per_minute: int = 30


@dataclass(frozen=True, repr=False)
class History(Told):
    """All of it."""

    setting: Setting = Setting()
    wishes: tuple[Wish, ...] = ()
    batch: Rows | None = None
    outages: tuple[Outage, ...] = ()
    accidents: tuple[Accident, ...] = ()
    deeds: tuple[Deed, ...] = ()

    @property
    def peace_at(self) -> int:
        """Tell when no fault and no new request follows."""
        ends = [outage.at + outage.seconds for outage in self.outages]
        ends += [accident.at + accident.seconds for accident in self.accidents]
        ends += [deed.at for deed in self.deeds] + [wish.at for wish in self.wishes]
        ends += [self.batch.at] if self.batch else []
        return max(ends, default=0) + 1
