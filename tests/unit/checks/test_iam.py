"""Planted policies that AWS would take, and that would give nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checks.iam import DEPLOYER, check_iam
from tests.unit.checks.planting import REPOSITORY, plant


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the template, and the policy to deploy it with."""
    (tmp_path / DEPLOYER).parent.mkdir()
    for name in ("template.yaml", DEPLOYER):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def test_policies_that_give_nothing_are_found(root: Path) -> None:
    plant(root, "template.yaml", "Action: bedrock:GetAsyncInvoke,", "Action: bedrock:ReadAsyncInvoke,")
    plant(
        root,
        "template.yaml",
        "Sid: SendEvents, Effect: Allow, Action: events:PutEvents, Resource: !GetAtt MediaPosterBus.Arn",
        "Sid: SendEvents, Effect: Allow, Action: events:PutEvents, Resource: !GetAtt WebhookRule.Arn",
    )
    plant(root, DEPLOYER, '"iam:TagRole"', '"iam:LabelRole"')

    found = "\n".join(check_iam(root))

    assert "AskBedrock: UNKNOWN_ACTION" in found
    assert "SendEvents: RESOURCE_MISMATCH events:PutEvents" in found
    assert f"{DEPLOYER}: : UNKNOWN_ACTION" in found


def test_the_policies_have_no_finding(root: Path) -> None:
    assert list(check_iam(root)) == []
