"""The deployed stack of all integration tests: the real template, with the roles' permissions enforced."""

from __future__ import annotations

import os
from contextlib import ExitStack

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

# A stack that has learned nothing asks these two after many minutes, and the others after some seconds.
[models."seedance-2.0"]
expected_render_seconds = 2400
[models."gemini-omni-1.1-flash"]
expected_render_seconds = 2400
[models."gemini-omni-1.2-flash"]
expected_render_seconds = 2
[models."wan-2.7"]
expected_render_seconds = 4
[models.sandbox-1]
expected_render_seconds = 4
"""
RENDER_SECONDS = 0.5
# What the provider of the sandbox renders at once.
SLOTS = 2
# The burst is about Blotato's own limits, six times as fast; elsewhere nothing waits for them.
RATE_SCALE = 6 if "MEDIAPOSTER_BURST" in os.environ else 1000

_DEPLOYED = pytest.StashKey[DeployedStack]()


def deploy_once(config: pytest.Config, directories: pytest.TempPathFactory) -> DeployedStack:
    """Deploy the stack that all tests of this process share, in tests/conformance too.

    Waits take a fiftieth of their time, unless a test asks for more of it. The stand-in's rate limits are lifted.
    """
    if _DEPLOYED not in config.stash:
        running = ExitStack()
        config.add_cleanup(running.close)
        world = running.enter_context(
            run_world(
                directories.mktemp("world"),
                wait_scale=WAIT_SCALE,
                concurrency=8,
                render_seconds=RENDER_SECONDS,
                rate_scale=RATE_SCALE,
                lease_seconds=5,
                aliases=ALIASES,
                catalog=CATALOG,
                provider_webhooks=("fal", "gemini"),
                provider_concurrency={"sandbox": SLOTS},
            )
        )
        config.stash[_DEPLOYED] = DeployedStack(world)
    return config.stash[_DEPLOYED]


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DeployedStack:
    """Give the deployed stack."""
    return deploy_once(request.config, tmp_path_factory)
