"""One deployed stack for all integration tests: the real template, with the roles' permissions enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.world import run_world
from tests.integration.stack import WAIT_SCALE, DeployedStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Deploy once; waits take a fiftieth of their time, and the stand-in's rate limits are lifted."""
    directory = tmp_path_factory.mktemp("world")
    with run_world(
        directory, wait_scale=WAIT_SCALE, concurrency=8, render_seconds=0.5, rate_scale=1000, lease_seconds=5
    ) as world:
        yield DeployedStack(world)
