"""Write the part of a template that a stack imports first: the table and the bucket that an earlier one kept.

`python -m checks.kept template.yaml`; docs/deploy.md says when. An import takes nothing else, and no policy,
rule or output that would name more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from checks.cloudformation import read_template

KEPT = ("LibraryTable", "VideoBucket")


def write_kept(path: Path) -> str:
    """Write the kept resources with their parameters and conditions, as JSON."""
    template = read_template(path)
    resources = {}
    for name in KEPT:
        resource = template.resources[name]
        resources[name] = {
            "Type": resource.type,
            "DeletionPolicy": resource.deletion_policy,
            "UpdateReplacePolicy": resource.update_replace_policy,
            "Properties": resource.properties,
        }
    conditions = {name: value for name, value in template.conditions.items() if _is_named(name, resources)}
    named = {"Resources": resources, "Conditions": conditions}
    parameters = {name: value for name, value in template.parameters.items() if _is_named(name, named)}
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters, **named}, indent=1)


def _is_named(name: str, value: Any) -> bool:
    return json.dumps(name) in json.dumps(value)


if __name__ == "__main__":
    print(write_kept(Path(sys.argv[1])))
