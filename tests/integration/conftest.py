"""One deployed stack for all integration tests: the real template, with the roles' permissions enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.world import run_world
from tests.integration.stack import WAIT_SCALE, DeployedStack

# The names of OpenAI's models lead to a server that speaks its API, as in a stack with such a server.
ALIASES = {
    "sora-2": "sora-2",
    "sora-2-pro": "sora-2-pro",
    "house-model": "gen4.5",
    "our-kling": "kling-3.0-pro",
    "our-h3": "minimax-h3",
    "our-wan": "wan-2.7",
    "our-pika": "pika-2.2",
    "our-ray": "luma.ray-v2:0",
}
# A model that only this stack has, and a price that only it pays.
CATALOG = """
[models."gen4.5"]
price_usd_per_second = { "720" = "0.15" }

[models.house-wan]
provider = "sora"
provider_model = "sora-2"
durations_seconds = [4]
sizes = ["720x1280"]
price_usd_per_second = { "720" = "0.05" }
expected_render_seconds = 30
capabilities = { list_jobs = true }
"""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Deploy once; waits take a fiftieth of their time, and the stand-in's rate limits are lifted."""
    directory = tmp_path_factory.mktemp("world")
    with run_world(
        directory,
        wait_scale=WAIT_SCALE,
        concurrency=8,
        render_seconds=0.5,
        rate_scale=1000,
        lease_seconds=5,
        aliases=ALIASES,
        catalog=CATALOG,
    ) as world:
        yield DeployedStack(world)
