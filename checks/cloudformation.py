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
    properties: dict[str, Any] = Field(default_factory=dict)
    line: int


class Template(BaseModel):
    """A SAM template; `globals` are those of all functions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, dict[str, Any]]
    conditions: dict[str, Any]
    globals: dict[str, Any]
    resources: dict[str, Resource]
    alias_lines: tuple[int, ...]

    def of_type(self, resource_type: str) -> dict[str, Resource]:
        """Give the resources of one type, by logical id."""
        return {name: resource for name, resource in self.resources.items() if resource.type == resource_type}

    def function_timeout_seconds(self, logical_id: str) -> int:
        """Give how long a function may run; Lambda's own default is 3 seconds."""
        return int(self.resources[logical_id].properties.get("Timeout", self.globals.get("Timeout", 3)))


def read_template(path: Path) -> Template:
    """Read a template.

    Raises:
        ValueError: it is not YAML.
    """
    text = path.read_text(encoding="utf-8")
    try:
        sections = {key.value: value for key, value in yaml.compose(text, Loader=yaml.SafeLoader).value}
        tokens = list(yaml.scan(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {error}") from error
    read = {name: _read(node) for name, node in sections.items()}
    return Template(
        parameters=read.get("Parameters", {}),
        conditions=read.get("Conditions", {}),
        globals=read.get("Globals", {}).get("Function", {}),
        resources={
            key.value: Resource.model_validate({**_read(value), "Line": key.start_mark.line + 1})
            for key, value in sections["Resources"].value
        },
        alias_lines=tuple(
            token.start_mark.line + 1 for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken)
        ),
    )


def _read(node: Any) -> Any:
    if node.tag.startswith("!"):
        name = node.tag[1:]
        return {name if name in {"Ref", "Condition"} else f"Fn::{name}": _read_content(node)}
    return _read_content(node)


def _read_content(node: Any) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_read(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {key.value: _read(value) for key, value in node.value}
    # Of what is not text only booleans and whole numbers matter here.
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value == "true"
    return int(node.value) if node.tag == "tag:yaml.org,2002:int" else node.value
