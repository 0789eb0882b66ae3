"""`.env.example` names what a host reads, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import AliasChoices, BaseModel

from mediaposter.config import Settings
from mediaposter.host.environment import HostEnvironment
from tests.unit.functions.stack import REPOSITORY

# Of these the host does not read its own: they are names of AWS's resources, or it sets them.
_OF_THE_TEMPLATE = {
    "STUDIO",
    *("STACK_NAME", "LIBRARY_TABLE", "VIDEO_BUCKET", "EVENT_BUS", "STATE_MACHINE_ARN", "BATCH_MACHINE_ARN"),
    *("PROBE_FUNCTION", "CANCEL_RENDER_FUNCTION", "SECRETS_PATH", "WEBHOOK_QUEUE_URL", "WEBHOOK_TRANSPORT"),
    *("APPROVAL_CHANNELS", "APPROVAL_TOPIC_ARN"),
}


def list_variables(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields.values():
        alias = field.validation_alias
        yield from map(str, alias.choices) if isinstance(alias, AliasChoices) else [str(alias)]


def test_the_example_names_each_variable_that_a_host_reads_once() -> None:
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()

    named = [found[1] for line in lines if (found := re.fullmatch(r"# ([A-Z_]+)=", line))]

    read = {*list_variables(HostEnvironment), *list_variables(Settings)} - _OF_THE_TEMPLATE
    assert sorted(named) == sorted(read)


def test_the_example_sets_nothing() -> None:
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line and not line.startswith("# ")] == []
