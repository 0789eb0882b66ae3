"""The host's own secrets: made once, for this user alone."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.secrets import HostSecrets


def test_secrets_are_made_once_and_no_two_folders_have_the_same(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    made = HostSecrets.open(tmp_path)

    assert HostSecrets.open(tmp_path) == made
    assert HostSecrets.open(other).link_key != made.link_key
    assert made.link_key != made.webhook_signing_key


@pytest.mark.skipif(sys.platform == "win32", reason="there files have no modes")
def test_only_this_user_can_read_them_also_after_they_were_kept_anew(tmp_path: Path) -> None:
    made = HostSecrets.open(tmp_path)
    (tmp_path / "secrets.json").chmod(0o644)

    made.model_copy(update={"api_key": "mp_key"}).keep(tmp_path)

    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"link_key": "hunter2"}', b"\xff"])
def test_a_damaged_file_is_named_and_left_as_it_is_without_what_it_says(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secrets.json"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"secrets\.json is damaged\. Put a backup") as refusal:
        HostSecrets.open(tmp_path)

    assert path.read_bytes() == content
    assert "hunter2" not in f"{refusal.value}{refusal.value.__cause__}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").mkdir()

    with pytest.raises(ConfigurationError, match=r"secrets\.json cannot be read: Is a directory"):
        HostSecrets.open(tmp_path)


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    made = HostSecrets.open(tmp_path)

    assert made.link_key not in repr(made)
