"""`mediaposter studio`: open the studio in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mediaposter.cli.console import open_console
from mediaposter.cli.options import STACK, DataFolder, EndpointUrl, StackOrNone, create_group
from mediaposter.cli.session import Session, find_session
from mediaposter.domain.errors import ConfigurationError

app = create_group("Open the studio in a browser.")


@app.command("studio")
def open_studio(
    context: typer.Context,
    data: DataFolder = None,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    prints_only: Annotated[bool, typer.Option("--print", help="Print the address, and open nothing.")] = False,
) -> None:
    """Open the studio, a page to make, watch and post videos, in a browser.

    For the host that runs here, the address has its key, and you are signed in. For a stack, the page asks for one.
    """
    session = find_session(context)
    if stack is None and endpoint_url is None:
        url = _find_on_host(data or session.choose_folder())
    else:
        url = _find_on_stack(session, stack, endpoint_url)
    # A browser that cannot be opened, as over SSH, leaves the address to copy.
    if prints_only or not webbrowser.open(url):
        open_console().print(url)


def write_studio_url(base_url: str, key: str | None) -> str:
    """Write the address of the studio's page. A browser keeps the key, behind the #, to itself."""
    return f"{base_url}/studio" + (f"#key={key}" if key else "")


def _find_on_host(folder: Path) -> str:
    from mediaposter.cli.host_address import read_address

    address = read_address(folder)
    if address is None:
        raise ConfigurationError(
            f"No host runs on {folder}. Start it with mediaposter up, or name a stack on AWS with --stack."
        )
    return write_studio_url(address.base_url, address.api_key)


def _find_on_stack(session: Session, stack: str | None, endpoint_url: str | None) -> str:
    with session.stack(stack or STACK, endpoint_url) as opened:
        return write_studio_url(opened.base_url, None)
