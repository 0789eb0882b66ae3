"""The faults the Blotato stand-in plays on request: those of any stand-in, and those that only a publisher has.

A rule's `match` is looked for in a post's platform and text; on routes without a post, in the address and the body.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandbox.blotato_networks import Closed
from sandbox.blotato_wire import Route
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Delay, Drop, FaultRule, Respond


class DelayBefore(Closed):
    """Wait first, then do the work and answer."""

    type: Literal["delay_before"] = "delay_before"
    seconds: float = Field(gt=0)


class AcceptTwice(Closed):
    """Do the work twice and answer for the second time, as behind a proxy that sends again what it thinks lost."""

    type: Literal["accept_twice"] = "accept_twice"


class StayInProgress(Closed):
    """Accept the post, and never publish it."""

    type: Literal["stay_in_progress"] = "stay_in_progress"


class FailPublish(Closed):
    """Accept the post, and let the network refuse it."""

    type: Literal["fail_publish"] = "fail_publish"
    error_message: str = Field(default="The network refused the post.", min_length=1)


class ListLag(Closed):
    """Leave the post out of GET /posts and GET /schedules until so long after it was accepted."""

    type: Literal["list_lag"] = "list_lag"
    list_lag_seconds: float = Field(gt=0)


class DuplicateListing(Closed):
    """List the one post twice in GET /posts and GET /schedules."""

    type: Literal["duplicate_listing"] = "duplicate_listing"


PublishAction = StayInProgress | FailPublish
ListingAction = ListLag | DuplicateListing


class OnCall(FaultRule):
    """A fault of a call to one route; only a call that would have been accepted plays what comes after accepting."""

    on: Route
    action: Annotated[
        Respond | Delay | DelayBefore | Drop | AcceptThenDrop | AcceptThenRespond | AcceptTwice,
        Field(discriminator="type"),
    ]


class OnPublish(FaultRule):
    """A fault of a post after it was accepted, met when it is created."""

    on: Literal["publish"]
    action: Annotated[PublishAction, Field(discriminator="type")]


class OnListing(FaultRule):
    """A fault of how a post is listed, met when it is created."""

    on: Literal["listing"]
    action: Annotated[ListingAction, Field(discriminator="type")]


# A post can meet one of each kind: lose its answer, fail, and be listed late.
BlotatoFault = OnCall | OnPublish | OnListing


class BlotatoFaultScript(Closed):
    """What `POST /_sandbox/faults` takes: rules, added behind the ones there are."""

    rules: tuple[BlotatoFault, ...]


def build_subject(platform: str | None, text: str | None) -> str:
    """Build what the rules of a post are matched with."""
    return f"{platform or ''}\n{text or ''}"
