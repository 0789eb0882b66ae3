"""Where the data of a host is on this machine, and how the host that runs on it is reached.

Every command over HTTP asks this, so it imports little.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mediaposter.host.folder import ADDRESS_FILE

PORT = 4600
_CHECKOUT = Path(__file__).parents[4]


def choose_folder(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    checkout: Path = _CHECKOUT,
    find_home: Callable[[], Path] = Path.home,
) -> Path:
    """Choose the data folder: `.local/` of a checkout, else the platform's folder for a user's data."""
    if (checkout / "template.yaml").is_file():
        return checkout / ".local" / "data"
    home = find_home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "MediaPoster"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "MediaPoster"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "mediaposter"


class HostAddress(BaseModel):
    """How a running host is reached; it keeps this in `host.json` while it runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base_url: str
    api_key: str = ""
    # Where the host reads its keys; an older host does not say.
    env_file: Path | None = None


def read_address(folder: Path) -> HostAddress | None:
    """Read how the host of a folder is reached; None if none runs, as far as the folder tells."""
    try:
        return HostAddress.model_validate_json((folder / ADDRESS_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
