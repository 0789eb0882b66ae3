"""What a host takes from `.env`, and what from its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.env_file import read_variables


def test_a_file_gives_what_the_environment_does_not_have(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("# of the studio\nexport INBOX_OWNER='ann'\nEVENTS_OWNER=bob\nMODEL_ALIASES=\n")

    settings = Settings.from_environment(read_variables(env_file, {"EVENTS_OWNER": "eve"}))

    assert (settings.inbox_owner, settings.events_owner, settings.model_aliases) == ("ann", "eve", {})


def test_a_key_is_taken_as_it_is(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("BLOTATO_API_KEY=a${HOME}#$b==\n")

    assert read_variables(env_file, {}) == {"BLOTATO_API_KEY": "a${HOME}#$b=="}


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_variables(tmp_path / ".env", {"A": "b"}) == {"A": "b"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"A=\xff\n")

    with pytest.raises(ConfigurationError, match=r"\.env is not UTF-8"):
        read_variables(env_file, {})
