"""The template that a stack imports first."""

from __future__ import annotations

import json

from checks.kept import KEPT, write_kept
from tests.unit.checks.planting import REPOSITORY


def test_an_import_has_what_was_kept_and_all_that_it_refers_to() -> None:
    kept = json.loads(write_kept(REPOSITORY / "template.yaml"))

    assert tuple(kept["Resources"]) == KEPT
    assert all(resource["DeletionPolicy"].startswith("Retain") for resource in kept["Resources"].values())
    assert {"OutboxDays", "StudioOrigins"} <= kept["Parameters"].keys()
    assert "ForgetsOutbox" in kept["Conditions"]
    assert "Transform" not in kept
