"""Read template.yaml, with the line each resource stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it comes with cfn-lint, without types
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal


class Resource(BaseModel):
    """A resource as it is written; `!Ref X` is `{"Ref": "X"}`, `!Sub …` is `{"Fn::Sub": …}`."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)

    type: str
    condition: str | None = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    properties: dict[str, Any] = Field(default_factory=dict)
    line: int


class Template(BaseModel):
    """A SAM template; `globals` are those of all functions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, dict[str, Any]]
    conditions: dict[str, Any]
    globals: dict[str, Any]
    resources: dict[str, Resource]
    outputs: dict[str, dict[str, Any]]

    def of_type(self, resource_type: str) -> dict[str, Resource]:
        """Give the resources of one type, by logical id."""
        return {name: resource for name, resource in self.resources.items() if resource.type == resource_type}

    def function_timeout_seconds(self, logical_id: str) -> int:
        """Give how long a function may run; Lambda's own default is 3 seconds."""
        return int(self.resources[logical_id].properties.get("Timeout", self.globals.get("Timeout", 3)))


def read_template(path: Path) -> Template:
    """Read a template.

    Raises:
        YAMLError: it is not YAML.
    """
    loader = _Loader(path.read_text(encoding="utf-8"))
    document = loader.get_single_node()
    content = loader.construct_document(document)
    sections = {key.value: value for key, value in document.value}
    lines = {key.value: key.start_mark.line + 1 for key, _ in sections["Resources"].value}
    return Template(
        parameters=content.get("Parameters", {}),
        conditions=content.get("Conditions", {}),
        globals=content.get("Globals", {}).get("Function", {}),
        resources={
            name: Resource.model_validate({**resource, "Line": lines[name]})
            for name, resource in content["Resources"].items()
        },
        outputs=content.get("Outputs", {}),
    )


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]  # it has no types
    """Reads the short forms of CloudFormation's functions as the long ones."""


def _construct(loader: Any, name: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        argument = loader.construct_mapping(node, deep=True)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": argument}


_Loader.add_multi_constructor("!", _construct)
