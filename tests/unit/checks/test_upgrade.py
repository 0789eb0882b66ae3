"""A planted fault for everything that an update of a stack must not do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checks.upgrade import RELEASED, check_upgrade
from tests.unit.checks.planting import REPOSITORY, plant

_INDEX = """        - IndexName: {name}
          KeySchema: [{{AttributeName: owner, KeyType: HASH}}, {{AttributeName: due_at, KeyType: RANGE}}]
          Projection: {{ProjectionType: KEYS_ONLY}}
"""
_FIRST_INDEX = "        - IndexName: Due\n"
_PAYLOAD = '          "video_id": "{% $video_id %}",\n          "attempt": "{% $polls %}",\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the template and the machines, of today and of the last release."""
    for name in ("statemachine", RELEASED):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    shutil.copy(REPOSITORY / "template.yaml", tmp_path / "template.yaml")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "old", "new", "finding"),
    [
        pytest.param(
            *("template.yaml", "- {AttributeName: pk, KeyType: HASH}", "- {AttributeName: key, KeyType: HASH}"),
            "LibraryTable: a change of KeySchema replaces it",
            id="another key of the table",
        ),
        pytest.param(
            *("template.yaml", "    DeletionPolicy: RetainExceptOnCreate\n    UpdateReplacePolicy: Retain\n"),
            "    DeletionPolicy: Delete\n    UpdateReplacePolicy: Retain\n",
            "VideoBucket: its DeletionPolicy must be RetainExceptOnCreate",
            id="a bucket that goes with the stack",
        ),
        pytest.param(
            *("template.yaml", "      DeletionProtectionEnabled: true\n", ""),
            "LibraryTable: DeletionProtectionEnabled must be true",
            id="a table that a command removes",
        ),
        pytest.param(
            *("template.yaml", _FIRST_INDEX),
            _INDEX.format(name="ByOne") + _INDEX.format(name="ByOther") + _FIRST_INDEX,
            "an update makes or removes one index, not",
            id="more than one new index",
        ),
        pytest.param(
            *("template.yaml", "{AttributeName: place, KeyType: RANGE}", "{AttributeName: id, KeyType: RANGE}"),
            "the index Waiting is not as it was",
            id="an index of the same name with other keys",
        ),
        pytest.param(
            *("template.yaml", "  ScheduleGroup:\n    Description", "  SeriesGroup:\n    Description"),
            "outputs: ScheduleGroup is gone",
            id="an output that is gone",
        ),
        pytest.param(
            *("template.yaml", "  LogRetentionDays:\n", "  LogsDays:\n"),
            "parameters: LogRetentionDays is gone",
            id="a parameter that is gone",
        ),
        pytest.param(
            *("template.yaml", "  IntakeQueue:\n", "  RequestQueue:\n"),
            "IntakeQueue is gone, which the last release had",
            id="a queue with its messages",
        ),
        pytest.param(
            *("template.yaml", '      Name: !Sub "${AWS::StackName}-batches"\n', "      Name: batches\n"),
            "BatchStateMachine: a change of Name replaces it",
            id="another name of a state machine",
        ),
        pytest.param(
            *("template.yaml", "  CheckPostFunction:\n", "  AskPostFunction:\n"),
            "CheckPostFunction is gone, which executions of the released VideoStateMachine call",
            id="a step that running executions call",
        ),
        pytest.param(
            *("statemachine/video.asl.json", _PAYLOAD, f'{_PAYLOAD}          "mode": "new",\n'),
            "${CheckGenerationFunctionArn} is sent mode, which executions of the last release do not send",
            id="an input that running executions do not send",
        ),
    ],
)
def test_an_update_loses_nothing(root: Path, path: str, old: str, new: str, finding: str) -> None:
    plant(root, path, old, new)

    assert any(finding in found for found in check_upgrade(root))


def test_the_template_updates_the_last_release(root: Path) -> None:
    assert list(check_upgrade(root)) == []
