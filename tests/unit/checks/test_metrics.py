"""A planted fault for each way in which an alarm or a panel watches what the code never emits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checks.metrics import check_metrics
from tests.unit.checks.planting import REPOSITORY, plant


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the template, and the page with the runbooks."""
    (tmp_path / "docs").mkdir()
    for name in ("template.yaml", "docs/operations.md"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "old", "new", "finding"),
    [
        pytest.param(
            *("template.yaml", "        POWERTOOLS_LOG_LEVEL: INFO\n"),
            "        POWERTOOLS_LOG_LEVEL: INFO\n        POWERTOOLS_SERVICE_NAME: mediaposter\n",
            "it watches PostsInDoubt by ('stack',); the code emits it by [('service', 'stack')]",
            id="a dimension that the environment adds",
        ),
        pytest.param(
            *("template.yaml", "      MetricName: SeriesExhausted\n", "      MetricName: SeriesUsedUp\n"),
            "it watches SeriesUsedUp by ('stack',); the code emits it by no dimensions",
            id="a name that is not emitted",
        ),
        pytest.param(
            *("template.yaml", '["MediaPoster", "SpentUsd", "stack"', '["MediaPoster", "SpentUsd", "Stack"'),
            "it watches SpentUsd by ('Stack',)",
            id="a panel with another dimension",
        ),
        pytest.param(
            *("template.yaml", "{MediaPoster,stack,provider}", "{MediaPoster,stack}"),
            "it watches ProviderFailures by ('stack',); the code emits it by [('provider', 'stack')]",
            id="a search with other dimensions",
        ),
        pytest.param(
            *("template.yaml", "docs/operations.md#postsindoubtalarm", "docs/operations.md#alarms"),
            "its AlarmDescription must end with docs/operations.md#postsindoubtalarm",
            id="an alarm that leads to no runbook",
        ),
        pytest.param(
            *("docs/operations.md", "### PostsInDoubtAlarm\n", "### Posts in doubt\n"),
            "it has no section PostsInDoubtAlarm, to which the alarm leads",
            id="a runbook that is gone",
        ),
        pytest.param(
            *("docs/operations.md", "`SpentUsd`", "`Spent`"),
            "it does not name the metric SpentUsd",
            id="a metric that no page names",
        ),
    ],
)
def test_what_is_watched_is_what_is_emitted(root: Path, path: str, old: str, new: str, finding: str) -> None:
    plant(root, path, old, new)

    assert any(finding in found for found in check_metrics(root))


def test_an_untouched_copy_has_no_finding(root: Path) -> None:
    assert list(check_metrics(root)) == []
