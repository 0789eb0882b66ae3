"""A host that cannot start on a folder says why, ends, and leaves all as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.embedded import EmbeddedHost


# The last test stops it.
@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    host = EmbeddedHost(tmp_path_factory.mktemp("folder"), {}, wait_scale=0.05)
    host.start()
    yield host
    host.kill()


def _bring_up(folder: Path, port: int = 0) -> str:
    """Start another host on a folder, and give the sentence with which it ends."""
    ended = subprocess.run(
        [sys.executable, "-m", "mediaposter", "up", "--data", str(folder), "--port", str(port)],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    [sentence] = ended.stderr.splitlines()
    return sentence


def test_a_second_host_on_a_folder_is_refused_and_the_first_is_still_found(host: EmbeddedHost) -> None:
    process_id = host.address.process_id

    sentence = _bring_up(host.folder / "data")

    assert sentence.startswith(f"Another MediaPoster (process {process_id}) works in {host.folder / 'data'}.")
    assert host.address.process_id == process_id
    with host.client() as api:
        assert api.get("/videos").status_code == 200


def test_a_port_that_is_taken_is_named(host: EmbeddedHost, tmp_path: Path) -> None:
    port = int(host.address.base_url.rsplit(":", 1)[1].partition("/")[0])

    assert f"Port {port} of 127.0.0.1 is taken" in _bring_up(tmp_path, port)


def test_a_database_with_damaged_pages_is_refused_and_stays_as_it_is(host: EmbeddedHost) -> None:
    path = host.folder / "data" / "mediaposter.sqlite"
    assert host.stop() == 0
    damaged = bytearray(path.read_bytes())
    damaged[4_096:] = b"\xff" * (len(damaged) - 4_096)
    path.write_bytes(damaged)

    sentence = _bring_up(path.parent)

    assert sentence.startswith(f"{path} cannot be read: database disk image is malformed. Put a backup in its place")
    assert path.read_bytes() == damaged
