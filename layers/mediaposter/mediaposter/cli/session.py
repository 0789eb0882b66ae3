"""What every command works with: a way to find a stack, a way to reach Blotato, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack, OpenStack
    from mediaposter.publishing.publisher_interface import PublisherInterface

BLOTATO_KEY_NAME = "blotato-api-key"


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def open_stack(name: str, *, endpoint_url: str | None) -> DeployedStack:
    """Find a stack with the credentials and the region of the environment.

    Raises:
        ConfigurationError: it cannot be reached, and why.
    """
    from mediaposter.cli.deployed_stack import open_stack

    return open_stack(name, endpoint_url=endpoint_url)


def connect(stack: DeployedStack | None) -> PublisherInterface:
    """Connect to Blotato with the key of a stack, or of the environment.

    Raises:
        ConfigurationError: there is none.
    """
    from mediaposter.publishing.blotato_client import BlotatoClient

    if stack is None:
        return BlotatoClient()
    return BlotatoClient(stack.read_secret(BLOTATO_KEY_NAME), base_url=stack.settings.blotato_base_url)


@dataclass(frozen=True)
class Session:
    """The collaborators of the commands; tests pass their own."""

    open_stack: OpenStack = open_stack
    connect: Callable[[DeployedStack | None], PublisherInterface] = connect
    clock: Callable[[], datetime] = now

    @contextmanager
    def stack(self, name: str, endpoint_url: str | None) -> Iterator[DeployedStack]:
        """Open a stack, and explain what AWS refuses while it is open.

        Raises:
            ConfigurationError: in one sentence, why AWS cannot be used.
        """
        from mediaposter.cli.deployed_stack import explain_aws_errors

        with explain_aws_errors():
            yield self.open_stack(name, endpoint_url=endpoint_url)


def find_session(context: typer.Context) -> Session:
    """Return the session of a command."""
    return context.find_object(Session) or Session()
