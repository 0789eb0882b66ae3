"""The host's own secrets, in a file that only this user can read."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.disk import write_privately

_FILE = "secrets.json"


class HostSecrets(BaseModel):
    """What this host signs with, and the key that it prints at each start."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    link_key: str = Field(min_length=32, repr=False)
    webhook_signing_key: str = Field(min_length=32, repr=False)
    api_key: str | None = Field(default=None, repr=False)

    @classmethod
    def open(cls, folder: Path) -> HostSecrets:
        """Read the secrets of a folder, or make them.

        Raises:
            ConfigurationError: the file is damaged, or cannot be read. It is as it was.
        """
        path = folder / _FILE
        if not path.exists():
            made = cls(link_key=secrets.token_hex(32), webhook_signing_key=secrets.token_hex(32))
            made.keep(folder)
            return made
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{path} is damaged. Put a backup of it in its place; or remove it, and links and webhook secrets that "
                "were handed out are void. Nothing was changed."
            ) from error

    def keep(self, folder: Path) -> None:
        """Write the secrets, whole or not at all."""
        write_privately(folder / _FILE, self.model_dump_json(indent=2) + "\n")
