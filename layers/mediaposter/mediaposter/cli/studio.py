"""`mediaposter studio`: open the studio in a browser."""

from __future__ import annotations

import webbrowser
from datetime import timedelta
from typing import Annotated

import typer

from mediaposter.cli.api import Api, api_command
from mediaposter.cli.console import open_console
from mediaposter.cli.host_address import read_address
from mediaposter.cli.options import create_group
from mediaposter.cli.session import STUDIO_KEY
from mediaposter.domain.errors import ConfigurationError

# A working day. The key of the host itself never ends.
KEY_LASTS = timedelta(hours=12)

app = create_group("Open the studio in a browser.")


@api_command(app, "studio", needs_key=False)
def open_studio(
    api: Api,
    *,
    prints_only: Annotated[bool, typer.Option("--print", help="Print the address, and open nothing.")] = False,
) -> None:
    """Open the studio, a page to make, watch and post videos, in a browser.

    You are signed in: for the host that runs here by a new key that expires after 12 hours, for a stack by the key
    that you name. Without one, the page asks for it.
    """
    url = write_studio_url(api.client.address.base_url, _find_key(api))
    if api.as_json:
        api.write_json({"object": "studio", "url": url})
    # A browser that cannot be opened, as over SSH, leaves the address to copy.
    elif prints_only or not webbrowser.open(url):
        open_console().print(url)


def write_studio_url(base_url: str, key: str | None) -> str:
    """Write the address of the studio's page. A browser keeps the key, behind the #, to itself."""
    return f"{base_url}/studio" + (f"#key={key}" if key else "")


def _find_key(api: Api) -> str:
    """Make a key that expires, with the rights of the host's own; of any other stack take the key that was named."""
    named = api.client.address.api_key
    folder = api.place.data or api.session.choose_folder()
    host = read_address(folder)
    if not named or host is None or host.api_key != named:
        return named
    now = api.session.clock()
    try:
        with api.session.open_host(folder) as opened:
            own = opened.keys.find(named)
            if own is None:
                return named
            secret, _ = opened.keys.create(
                STUDIO_KEY, scopes=own.scopes, owner=own.owner, now=now, expires_at=now + KEY_LASTS
            )
            return secret
    except ConfigurationError:
        # The host runs, so its own key opens the page.
        return named
