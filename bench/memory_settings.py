"""What memory each function should have: time and price at 128 to 1,769 MB, from its CPU seconds and its peak memory.

Run by hand: `python -m bench.memory_settings`; some minutes. It needs `make tools` and a Python 3.13. Each function
runs in processes of that Python, with its own code and layers and the boto3 that Lambda brings, against the local
cloud. It authorizes, submits, reads, starts, checks and stores the same videos one after another, while the state
machine does nothing. `init` is the import, `first` the first call, each the median of some processes; `warm` is the
median of later calls.

The rest is on paper. Lambda gives a vCPU at 1,769 MB and a part of one below it (Lambda developer guide, "Configure
Lambda function memory"). So a call takes its CPU seconds divided by that part, and what it waits for others, which is
stated (`WAITS`). A core here is taken for a vCPU of Lambda's on arm64, which nothing here measures. Lambda initializes
with more than the part, at times; that is not counted either.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.cost import GB_SECOND_USD
from checks.cloudformation import Template, read_template
from checks.lambda_runtime import build_layers, find_python, install_lambda, list_handlers
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore, Scope
from sandbox.cloud import REGION
from sandbox.world import World, run_world
from tests.integration.stack import DeployedStack

ROOT = Path(__file__).parent.parent
SETTINGS_MB = (128, 256, 512, 768, 1_024, 1_769)
VCPU_MB = 1_769
PROCESSES = 5
WARM_CALLS = 20
# What is left of a setting must hold what a longer call takes, and Lambda's own.
SPARE_MB = 40
# Seconds that a warm call waits for AWS and for vendors: single trips to DynamoDB of 5 ms, StartExecution 30 ms, a
# vendor's answer 300 ms and its acceptance 800 ms; a file of 8 MB, in and out, and the function that decodes it.
WAITS: Mapping[str, float] = {
    "Authorize": 0.005,
    "Submit": 0.050,
    "Api": 0.010,
    "StartGeneration": 0.820,
    "CheckGeneration": 0.320,
    "StoreVideo": 3.000,
}
NOTHING_TO_DO = json.dumps({"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}})


class Used(NamedTuple):
    """What a function uses: CPU seconds of its import, its first call and a later one, and its peak memory."""

    init_seconds: float
    first_seconds: float
    warm_seconds: float
    peak_mb: float


class Worker:
    """A process of one function."""

    def __init__(self, python: Path, handler: str, path: Sequence[Path], variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            # -P: what is beside the script is on no Lambda's path.
            [python, "-P", ROOT / "bench/lambda_worker.py"],
            cwd=path[0],
            env={
                **variables,
                "_HANDLER": handler,
                "LAMBDA_TASK_ROOT": str(path[0]),
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.init_seconds = float(self._read()["cpu_seconds"])

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call the function once, and give what it took and what it answered."""
        if self._process.stdin is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the function raised: see above")
        read: dict[str, Any] = json.loads(line)
        return read


class Bench:
    """Measures the functions of a world's stack."""

    def __init__(self, world: World, template: Template, layers: Mapping[str, Path], python: Path) -> None:
        self._python = python
        self._template = template
        self._paths = {tried.what: tried.path for tried in list_handlers(template, layers)}
        self._stack = DeployedStack(world)
        machines = self._stack.aws("stepfunctions")
        machines.update_state_machine(stateMachineArn=world.stack.state_machine_arn, definition=NOTHING_TO_DO)
        self._endpoint_url = world.stack.endpoint_url
        keys = KeyStore(LibraryTable(self._stack.aws("dynamodb"), world.stack.table))
        self.key, record = keys.create("bench", scopes=tuple(Scope), now=datetime.now(UTC))
        self.owner = record.owner
        self.videos: list[str] = []

    def measure(self, name: str, events: Callable[[int], Mapping[str, Any]]) -> tuple[Used, list[Any]]:
        """Measure a function over so many events, and give its answers too.

        Args:
            name: of the function.
            events: gives an event by its number, from 0 on.
        """
        inits: list[float] = []
        firsts: list[float] = []
        warm: list[float] = []
        peaks: list[float] = []
        answers: list[Any] = []
        for number in range(PROCESSES):
            calls = WARM_CALLS if number == 0 else 0
            with self._worker(name) as worker:
                inits.append(worker.init_seconds)
                for call in range(calls + 1):
                    took = worker.call(events(len(answers)))
                    (firsts if call == 0 else warm).append(took["cpu_seconds"])
                    answers.append(took["answer"])
                peaks.append(took["peak_mb"])
        init, first, later = (statistics.median(figures) for figures in (inits, firsts, warm))
        return Used(init, first, later, max(peaks)), answers

    @contextmanager
    def _worker(self, name: str) -> Iterator[Worker]:
        handler = self._template.resources[f"{name}Function"].properties["Handler"]
        worker = Worker(self._python, handler, self._paths[f"{name}Function"], self._read_variables(name))
        try:
            yield worker
        finally:
            worker.end()

    def _read_variables(self, name: str) -> dict[str, str]:
        functions = self._stack.aws("lambda")
        deployed = next(
            function
            for page in functions.get_paginator("list_functions").paginate()
            for function in page["Functions"]
            if f"-{name}Function-" in function["FunctionName"]
        )
        return {
            **deployed["Environment"]["Variables"],
            "AWS_LAMBDA_FUNCTION_NAME": deployed["FunctionName"],
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


def measure_all(bench: Bench) -> dict[str, Used]:
    """Take some videos from their request to their files."""
    samples = {name: json.loads((ROOT / f"events/{name}.json").read_text()) for name in ("submit", "library-retrieve")}
    for sample in samples.values():
        sample["requestContext"]["authorizer"]["owner"] = bench.owner
    used: dict[str, Used] = {}

    def authorize(_: int) -> Mapping[str, Any]:
        arn = f"arn:aws:execute-api:{REGION}:000000000000:api/v1/GET/videos"
        return {"type": "TOKEN", "authorizationToken": f"Bearer {bench.key}", "methodArn": arn}

    def submit(_: int) -> Mapping[str, Any]:
        event: dict[str, Any] = copy.deepcopy(samples["submit"])
        event["body"] = json.dumps({**json.loads(event["body"]), "prompt": uuid.uuid4().hex, "publish": []})
        return event

    def read(number: int) -> Mapping[str, Any]:
        event: dict[str, Any] = copy.deepcopy(samples["library-retrieve"])
        event["path"] = f"/videos/{videos[number]}"
        event["pathParameters"] = {"video_id": videos[number]}
        return event

    def step(number: int) -> Mapping[str, Any]:
        return {"video_id": videos[number], "attempt": 1}

    used["Authorize"], _ = bench.measure("Authorize", authorize)
    used["Submit"], submitted = bench.measure("Submit", submit)
    videos = [json.loads(answer["body"])["id"] for answer in submitted]
    used["Api"], _ = bench.measure("Api", read)
    for name in ("StartGeneration", "CheckGeneration", "StoreVideo"):
        used[name], answers = bench.measure(name, step)
        print(f"{name}: {sorted({answer['outcome'] for answer in answers})}")
    return used


def reckon(used: Used, wait_seconds: float, memory_mb: int) -> tuple[float, float, float] | None:
    """Give seconds of a cold and of a warm call, and the dollars of a million warm ones; none if it does not fit."""
    if used.peak_mb + SPARE_MB > memory_mb:
        return None
    share = min(memory_mb / VCPU_MB, 1.0)
    cold = (used.init_seconds + used.first_seconds) / share + wait_seconds
    warm = used.warm_seconds / share + wait_seconds
    return cold, warm, warm * memory_mb / 1_024 * GB_SECOND_USD * 1_000_000


def present(used: Mapping[str, Used], template: Template) -> None:
    """Print the table; a star is at the setting of template.yaml."""
    print(
        f"\n{'':<18}{'CPU s: init':>12}{'first':>8}{'warm':>8}{'peak MB':>9}   seconds cold, warm; $ of a million warm"
    )
    print(f"{'':<58}" + "".join(f"{memory_mb:>21,} MB" for memory_mb in SETTINGS_MB))
    for name, figures in used.items():
        properties = template.resources[f"{name}Function"].properties
        setting = int(properties.get("MemorySize", template.globals["MemorySize"]))
        row = f"{name:<18}{figures.init_seconds:>12.2f}{figures.first_seconds:>8.2f}{figures.warm_seconds:>8.3f}"
        row += f"{figures.peak_mb:>9.0f}   "
        for memory_mb in SETTINGS_MB:
            found = reckon(figures, WAITS[name], memory_mb)
            star = "*" if memory_mb == setting else " "
            row += f"{'-':>23}{star}" if found is None else f"{found[0]:>8.2f}{found[1]:>7.3f}{found[2]:>8.2f}{star}"
        print(row)


def main() -> None:
    """Measure, and print the table."""
    found = find_python()
    if found is None:
        sys.exit("No Python 3.13 runs here: install one (uv python install 3.13).")
    template = read_template(ROOT / "template.yaml")
    python = install_lambda(found)
    with tempfile.TemporaryDirectory(prefix="memory-settings-") as directory:
        layers = build_layers(template, python, Path(directory))
        subprocess.run([python, "-m", "compileall", "-q", python.parent.parent / "lib"], check=False)
        with run_world(Path(directory) / "world", render_seconds=0.1, rate_scale=1000) as world:
            used = measure_all(Bench(world, template, layers, python))
    present(used, template)


if __name__ == "__main__":
    main()
