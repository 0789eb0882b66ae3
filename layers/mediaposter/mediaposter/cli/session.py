"""What every command works with: a way to find a stack, a way to reach Blotato, and the clock."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mediaposter.cli.options import STACK

if TYPE_CHECKING:
    from mediaposter.cli.address import Place
    from mediaposter.cli.client import Address, Client
    from mediaposter.cli.deployed_stack import DeployedStack, OpenStack
    from mediaposter.cli.host_folder import HostStack
    from mediaposter.publishing.publisher_interface import PublisherInterface

BLOTATO_KEY_NAME = "blotato-api-key"
# A name that begins so is no name for a key that a person makes.
OWN_KEY_PREFIX = "mediaposter:"
# The name of the keys that `mediaposter studio` makes, one each time.
STUDIO_KEY = f"{OWN_KEY_PREFIX}studio"


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def open_stack(name: str, *, endpoint_url: str | None) -> DeployedStack:
    """Find a stack with the credentials and the region of the environment.

    Raises:
        ConfigurationError: it cannot be reached, and why.
    """
    import boto3

    from mediaposter.cli.deployed_stack import open_stack

    # boto3 reads AWS_DEFAULT_REGION alone; the AWS CLI and other SDKs read AWS_REGION first.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    return open_stack(name, endpoint_url=endpoint_url, session=session)


def open_host(folder: Path) -> AbstractContextManager[HostStack]:
    """Open the data folder of an embedded host.

    Raises:
        ConfigurationError: it cannot be opened, and why.
    """
    from mediaposter.cli.host_folder import open_host_folder

    return open_host_folder(folder, os.environ, clock=now)


def choose_folder() -> Path:
    """Choose the usual data folder."""
    from mediaposter.cli.host_address import choose_folder

    return choose_folder(os.environ)


def find_host() -> Path | None:
    """Find the usual data folder, if a host runs on it."""
    from mediaposter.cli.host_address import read_address

    folder = choose_folder()
    return None if read_address(folder) is None else folder


def connect(stack: DeployedStack | None) -> PublisherInterface:
    """Connect to Blotato with the key of a stack, or of the environment.

    Raises:
        ConfigurationError: there is none.
    """
    from mediaposter.publishing.blotato_client import BlotatoClient

    if stack is None:
        return BlotatoClient()
    return BlotatoClient(stack.read_secret(BLOTATO_KEY_NAME), base_url=stack.settings.blotato_base_url)


def read_environ() -> Mapping[str, str]:
    """Read the variables of this process."""
    return os.environ


def open_client(address: Address) -> Client:
    """Make a client of an API."""
    from mediaposter.cli.client import Client

    return Client(address)


@dataclass(frozen=True)
class Session:
    """The collaborators of the commands; tests pass their own."""

    open_stack: OpenStack = open_stack
    open_host: Callable[[Path], AbstractContextManager[HostStack]] = open_host
    find_host: Callable[[], Path | None] = find_host
    choose_folder: Callable[[], Path] = choose_folder
    connect: Callable[[DeployedStack | None], PublisherInterface] = connect
    clock: Callable[[], datetime] = now
    environ: Callable[[], Mapping[str, str]] = read_environ
    open_client: Callable[[Address], Client] = open_client

    def find_address(self, place: Place, *, needs_key: bool = True) -> Address:
        """Find the stack that a command over HTTP is about.

        Raises:
            ConfigurationError: none was found, and what to do.
        """
        from mediaposter.cli.address import find_address

        return find_address(
            place,
            self.environ(),
            choose_folder=self.choose_folder,
            open_stack=self.stack,
            needs_key=needs_key,
        )

    @contextmanager
    def stack(self, name: str, endpoint_url: str | None) -> Iterator[DeployedStack]:
        """Open a stack, and explain what AWS refuses while it is open.

        Raises:
            ConfigurationError: in one sentence, why AWS cannot be used.
        """
        from mediaposter.cli.deployed_stack import explain_aws_errors

        with explain_aws_errors():
            yield self.open_stack(name, endpoint_url=endpoint_url)

    @contextmanager
    def stack_or_host(
        self, *, stack: str | None, endpoint_url: str | None, data: Path | None
    ) -> Iterator[DeployedStack | HostStack]:
        """Open what a command is about: the host of `data`, or a stack; with neither the host that runs here, if any.

        Raises:
            ConfigurationError: it cannot be opened, and why.
        """
        folder = data
        if data is None and stack is None and endpoint_url is None:
            folder = self.find_host()
            if folder is not None:
                sys.stderr.write(f"On the host that runs here, in {folder}. --stack names a stack on AWS instead.\n")
        if folder is None:
            with self.stack(stack or STACK, endpoint_url) as opened:
                yield opened
        else:
            with self.open_host(folder) as host:
                yield host


def find_session(context: typer.Context) -> Session:
    """Return the session of a command."""
    return context.find_object(Session) or Session()
