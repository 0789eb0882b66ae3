"""Read every `sam` and `aws` command of the pages: SAM CLI's own parser, botocore's models, and template.yaml.

SAM CLI ends the value of a parameter at a space, and drops the rest without a word: what a page means and what SAM CLI
reads are compared. It is in `.tools/sam`, which `make check` installs.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from checks.cloudformation import Template, read_template
from checks.command import ROOT, run

_BLOCK = re.compile(r"^ *```(?P<kind>\w+)\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
# A command in a sentence. One without a value is a mention of the tool, and one with … is a part.
_INLINE = re.compile(r"`(?P<text>(?:sam|aws) [^`…]*(?:=|events/)[^`…]*)`")
_PLACEHOLDER = re.compile(r"<([\w.-]+)>")
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n'\"]*$", re.MULTILINE)
_SHELL = frozenset({"bash", "sh"})
_ENDS = frozenset("();<>|&\n")
# AWS CLI user guide, "Command line options", and "Pagination".
_GLOBAL = frozenset(
    {"region", "profile", "output", "query", "no-cli-pager", "endpoint-url", "cli-input-json", "no-paginate", "color"}
    | {"max-items", "starting-token", "page-size", "generate-cli-skeleton", "cli-read-timeout", "no-sign-request"}
)
# AWS CLI command reference, "s3": these have no models.
_S3 = {
    "cp": {"recursive", "exclude", "include", "quiet", "only-show-errors", "content-type"},
    "ls": {"recursive", "human-readable", "summarize"},
    "mv": {"recursive", "exclude", "include", "quiet"},
    "rm": {"recursive", "exclude", "include", "quiet"},
    "sync": {"exclude", "include", "delete", "quiet"},
}


class Command(NamedTuple):
    """A command of a page, as a shell would split it."""

    place: str
    words: tuple[str, ...]


def check_commands(root: Path) -> Iterator[str]:
    """Find commands that their tools would refuse, or read as something else."""
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    commands = [command for page in pages if page.exists() for command in _list_commands(page, root)]
    template = read_template(root / "template.yaml")
    yield from _check_sam([command for command in commands if command.words[0] == "sam"], template)
    session = botocore.session.get_session()
    for command in commands:
        if command.words[0] == "aws":
            yield from (f"{command.place}: {finding}" for finding in _check_aws(command.words[1:], session))


def _list_commands(page: Path, root: Path) -> Iterator[Command]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(root).as_posix()
    for block in _BLOCK.finditer(text):
        place = f"{name}:{text[: block.start()].count(chr(10)) + 1}"
        if block["kind"] in _SHELL:
            yield from (Command(place, words) for words in _split(block["text"]))
        elif block["kind"] == "toml" and "parameter_overrides" in block["text"]:
            overrides = tomllib.loads(block["text"])["parameter_overrides"]
            yield Command(place, ("sam", "deploy", "--parameter-overrides", overrides))
    for inline in _INLINE.finditer(_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)):
        place = f"{name}:{text[: inline.start()].count(chr(10)) + 1}"
        yield from (Command(place, words) for words in _split(inline["text"].replace("\n", " ")))


def _split(text: str) -> Iterator[tuple[str, ...]]:
    """Split a block into its commands; `$(` begins one, and what a pipe or a redirection names is left out."""
    plain = _COMMENT.sub("", _PLACEHOLDER.sub(r"\1", text)).replace("\\\n", " ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    lexer.whitespace_split = True
    for ends, group in groupby(lexer, key=lambda token: set(token) <= _ENDS and token != ""):
        words = [word for word in group if word != "…"]
        if not ends and words[0] in {"sam", "aws"}:
            yield tuple(words)


def _check_sam(commands: list[Command], template: Template) -> Iterator[str]:
    process = subprocess.run(
        [str(ROOT / ".tools/sam/bin/python"), str(ROOT / "checks/sam_commands.py")],
        input=json.dumps([command.words[1:] for command in commands]),
        capture_output=True,
        text=True,
        check=True,
    )
    for command, read in zip(commands, json.loads(process.stdout), strict=True):
        if read["error"]:
            yield f"{command.place}: {shlex.join(command.words)}: {read['error']}"
        meant = _read_overrides(command.words)
        for name, value in meant.items():
            if read["parameters"].get(name) != value:
                yield f"{command.place}: SAM CLI reads {name} as {read['parameters'].get(name)!r}, not {value!r}"
            parameter = template.parameters.get(name)
            if parameter is None:
                yield f"{command.place}: template.yaml has no parameter {name}"
            elif not re.search(str(parameter.get("AllowedPattern", "")), value):
                yield f"{command.place}: {name}={value} does not fit the AllowedPattern of template.yaml"
            elif value not in map(str, parameter.get("AllowedValues", [value])):
                yield f"{command.place}: {name} cannot be {value}"
        yield from (f"{command.place}: SAM CLI reads a parameter {name}" for name in read["parameters"].keys() - meant)
        if command.words[1:3] == ("local", "invoke") and command.words[3] not in template.resources:
            yield f"{command.place}: template.yaml has no function {command.words[3]}"


def _read_overrides(words: tuple[str, ...]) -> dict[str, str]:
    """Read what a page means: a name, and all that follows its first `=`."""
    if "--parameter-overrides" not in words:
        return {}
    after = words[words.index("--parameter-overrides") + 1 :]
    pairs = [word.partition("=") for word in after[: next(_find_option(after), len(after))]]
    return {name: value.strip('"') for name, _, value in pairs}


def _find_option(words: Iterable[str]) -> Iterator[int]:
    return (position for position, word in enumerate(words) if word.startswith("--"))


def _check_aws(words: tuple[str, ...], session: Any) -> Iterator[str]:
    service, name, *rest = words
    options = {word.removeprefix("--"): rest[at + 1 : at + 2] for at, word in enumerate(rest) if word.startswith("--")}
    if service == "s3":
        unknown = options.keys() - _S3.get(name, set()) - _GLOBAL
        yield from (f"aws s3 {name} has no option --{option}" for option in sorted(unknown))
        return
    try:
        model = session.get_service_model(service)
    except UnknownServiceError:
        yield f"aws has no service {service}"
        return
    operations = {xform_name(operation, "-"): operation for operation in model.operation_names}
    if name == "wait":
        name, is_known = rest[0], rest[0] in {xform_name(waiter, "-") for waiter in _list_waiters(service, session)}
        if not is_known:
            yield f"aws {service} wait has no {name}"
        return
    if name not in operations:
        yield f"aws {service} has no command {name}"
        return
    shape = model.operation_model(operations[name]).input_shape
    members = {xform_name(member, "-"): member for member in shape.members} if shape else {}
    for option, values in options.items():
        member = members.get(option.removeprefix("no-")) or members.get(option)
        if member is None:
            if option not in _GLOBAL:
                yield f"aws {service} {name} has no option --{option}"
            continue
        allowed = shape.members[member].metadata.get("enum")
        if allowed and values and not values[0].startswith("$") and values[0] not in allowed:
            yield f"aws {service} {name}: --{option} is one of {', '.join(allowed)}"
    if "cli-input-json" not in options and shape:
        for member in shape.required_members:
            if xform_name(member, "-") not in options:
                yield f"aws {service} {name} needs --{xform_name(member, '-')}"


def _list_waiters(service: str, session: Any) -> list[str]:
    return list(session.get_waiter_model(service).waiter_names)


if __name__ == "__main__":
    run(check_commands)
