"""Planted differences between two implementations of JSONata, and expressions that nothing sampled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from checks.jsonata import SAMPLES, check_jsonata
from tests.unit.checks.planting import REPOSITORY, plant


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the machines, their samples and the lock."""
    for name in ("statemachine", "tools"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / SAMPLES).parent.mkdir()
    shutil.copy(REPOSITORY / SAMPLES, tmp_path / SAMPLES)
    return tmp_path


def test_an_expression_that_the_implementations_read_in_two_ways_is_found(root: Path) -> None:
    # jsonata-python counts a null as nothing, the reference as one value.
    expression = "{% $count($states.input.number) %}"
    samples = json.loads((root / SAMPLES).read_text())
    samples[expression] = [{"states": {"input": {"number": None}}}]
    (root / SAMPLES).write_text(json.dumps(samples))
    plant(root, "statemachine/video.asl.json", '"{% $states.input.video_id %}"', f'"{expression}"')

    assert any(f"{expression} of" in finding for finding in check_jsonata(root))


def test_an_expression_without_a_sample_is_found(root: Path) -> None:
    plant(root, "statemachine/video.asl.json", '"{% $states.input.video_id %}"', '"{% $states.input.id %}"')

    assert any("no sample of {% $states.input.id %}" in finding for finding in check_jsonata(root))


def test_the_machines_mean_the_same_to_both(root: Path) -> None:
    assert list(check_jsonata(root)) == []
