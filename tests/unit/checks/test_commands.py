"""A planted command for everything that a tool would refuse, or read as something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checks.commands import check_commands
from tests.unit.checks.planting import REPOSITORY

COMMANDS = {
    'sam deploy --parameter-overrides "ProviderWebhooks=fal, pika"': "ProviderWebhooks as 'fal,', not 'fal, pika'",
    'sam deploy --parameter-overrides ProviderConcurrency="runway=10, fal=20"': "SAM CLI reads a parameter fal",
    "sam deploy --parameter-overrides FallbackModels=gen4.5,": "does not fit the AllowedPattern",
    "sam deploy --parameter-overrides Fallbacks=gen4.5": "template.yaml has no parameter Fallbacks",
    "sam deploy --parameter-overrides Alarms=no": "Alarms cannot be no",
    "sam deploy --no-confirm": "No such option: --no-confirm",
    "sam publish-all": "SAM CLI has no command publish-all",
    "sam local invoke LibraryFunction -e events/submit.json": "template.yaml has no function LibraryFunction",
    "aws ssm put-parameter --name a --value b --secure": "aws ssm put-parameter has no option --secure",
    "aws ssm put-parameter --name a --value b --type Secure": "--type is one of String, StringList, SecureString",
    "aws dynamodb get-item --table-name t": "aws dynamodb get-item needs --key",
    "id=$(aws cloudformation describe-stack --stack-name a)": "aws cloudformation has no command describe-stack",
    "aws s3 cp a b --version-id c": "aws s3 cp has no option --version-id",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Read all of them at once: SAM CLI takes seconds to be imported."""
    root = tmp_path_factory.mktemp("page")
    shutil.copy(REPOSITORY / "template.yaml", root / "template.yaml")
    blocks = "".join(f"```sh\n{command}   # a comment\n```\n" for command in COMMANDS)
    (root / "README.md").write_text(f"# Run it\n\n{blocks}")
    return list(check_commands(root))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_its_tool_would_not_read_so(found: list[str], command: str) -> None:
    assert any(COMMANDS[command] in finding for finding in found)


def test_commands_that_are_read_as_they_stand(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "template.yaml", tmp_path / "template.yaml")
    (tmp_path / "README.md").write_text(
        "Clear it by `sam deploy --parameter-overrides 'ProviderWebhooks=\"\"'`.\n\n```sh\nsam build && sam deploy \\\n"
        "  --parameter-overrides ProviderConcurrency=runway=10,fal=20 DailyBudgetUsd=100 --no-confirm-changeset\n"
        'bucket=$(aws cloudformation describe-stacks --stack-name <stack> --query "Stacks[0]")\n```\n'
    )

    assert list(check_commands(tmp_path)) == []
