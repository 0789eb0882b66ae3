"""The faults the Blotato stand-in plays on request: those of any stand-in, and those that only a publisher has.

A rule's `match` is looked for in a post's platform and text; on routes without a post, in the address and the body.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.blotato_schema import Route
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Delay, Drop, FaultBook, FaultRule, Respond


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DelayBefore(_Closed):
    """Wait first, then do the work and answer."""

    type: Literal["delay_before"] = "delay_before"
    seconds: float = Field(gt=0)


class StayInProgress(_Closed):
    """Accept the post, and never publish it."""

    type: Literal["stay_in_progress"] = "stay_in_progress"


class FailPublish(_Closed):
    """Accept the post, and let the network refuse it."""

    type: Literal["fail_publish"] = "fail_publish"
    error_message: str = Field(default="The network refused the post.", min_length=1)


class ListLag(_Closed):
    """Leave the post out of GET /posts until so long after it was accepted."""

    type: Literal["list_lag"] = "list_lag"
    list_lag_seconds: float = Field(gt=0)


class DuplicateListing(_Closed):
    """List the one post twice in GET /posts."""

    type: Literal["duplicate_listing"] = "duplicate_listing"


CallAction = Respond | Delay | DelayBefore | Drop | AcceptThenDrop | AcceptThenRespond
PublishAction = StayInProgress | FailPublish
ListingAction = ListLag | DuplicateListing


class OnCall(FaultRule):
    """A fault of a call to one route; only a call that would have been accepted plays what comes after accepting."""

    on: Route
    action: Annotated[CallAction, Field(discriminator="type")]


class OnPublish(FaultRule):
    """A fault of a post after it was accepted, met when it is created."""

    on: Literal["publish"]
    action: Annotated[PublishAction, Field(discriminator="type")]


class OnListing(FaultRule):
    """A fault of how a post is listed, met when it is created."""

    on: Literal["listing"]
    action: Annotated[ListingAction, Field(discriminator="type")]


class BlotatoFaultScript(_Closed):
    """What `POST /_sandbox/faults` takes: rules, added behind the ones there are."""

    rules: tuple[OnCall | OnPublish | OnListing, ...]


class BlotatoFaults:
    """The rules in force. A post can meet one of each kind: lose its answer, fail, and be listed late."""

    def __init__(self) -> None:
        self._on_calls: defaultdict[Route, FaultBook[OnCall]] = defaultdict(FaultBook)
        self._on_posts: FaultBook[OnPublish | OnListing] = FaultBook()

    def add(self, script: BlotatoFaultScript) -> None:
        """Put rules behind the ones there are."""
        for rule in script.rules:
            if isinstance(rule, OnCall):
                self._on_calls[rule.on].add([rule])
            else:
                self._on_posts.add([rule])

    def clear(self) -> None:
        """Forget every rule."""
        self._on_calls.clear()
        self._on_posts.clear()

    def pick_call(self, route: Route, subject: str) -> CallAction | None:
        """Give what this call meets, and count it as played."""
        rule = self._on_calls[route].pick(OnCall, subject)
        return rule.action if rule else None

    def pick_publish(self, subject: str) -> PublishAction | None:
        """Give what becomes of this post, and count it as played."""
        rule = self._on_posts.pick(OnPublish, subject)
        return rule.action if rule else None

    def pick_listing(self, subject: str) -> ListingAction | None:
        """Give how this post is listed, and count it as played."""
        rule = self._on_posts.pick(OnListing, subject)
        return rule.action if rule else None
