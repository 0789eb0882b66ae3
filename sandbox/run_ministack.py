"""Run MiniStack with what it lacks: `.tools/ministack/bin/python -P sandbox/run_ministack.py`; sandbox/cloud.py does.

The state machines are written for AWS. Where MiniStack does less, a function of its interpreter is wrapped here, before
it starts. Others are wrapped because a world must start in seconds. The wrappers know its inside, so they are for one
version of it: another one is refused. docs/decisions/0025 says how to go on to a new version.

It ends when its standard input does: with the process that holds the other end, however that one ended.

Environment, beside MiniStack's own:
    LAYERS_DIR: where layers are unpacked, each once.
    SAVE_STATE: whether STATE_DIR is written at the end; without it, it is only read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

MADE_FOR = "1.5.33"

State = Mapping[str, Any]


def main() -> None:
    """Mend the interpreter, and run MiniStack as its own command does."""
    if (installed := version("ministack")) != MADE_FOR:
        sys.exit(f"sandbox/run_ministack.py is made for MiniStack {MADE_FOR}, and {installed} is installed.")
    _name_queues_alike(import_module("ministack.services.sqs"))
    threading.Thread(target=_end_with_input, name="end-with-input", daemon=True).start()
    mend(import_module("ministack.services.stepfunctions"))
    _share_layers(
        import_module("ministack.core.lambda_runtime"),
        import_module("ministack.services.lambda_svc"),
        Path(os.environ["LAYERS_DIR"]),
    )
    _retry_rule_targets(import_module("ministack.services.eventbridge"), import_module("ministack.services.lambda_svc"))
    _read_first_media_type(import_module("ministack.services.apigateway_v1"))
    app: Any = import_module("ministack.app")
    if "SAVE_STATE" not in os.environ:
        app.save_all = _save_nothing
    app.main()


def _end_with_input() -> None:
    sys.stdin.read()
    os.killpg(os.getpgid(0), signal.SIGKILL)  # the Lambdas too


def _name_queues_alike(queues: Any) -> None:
    """Keep queues under one URL whatever the port is, or a world would not find those of its snapshot."""
    queues.DEFAULT_PORT = "4566"
    queues._CANONICAL_NETLOC = f"{queues.DEFAULT_HOST}:{queues.DEFAULT_PORT}"


def _read_first_media_type(gateway: Any) -> None:
    """Decode an answer for the first media type of Accept, as AWS does; MiniStack compares the whole header.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
    """
    matches = gateway._media_type_matches
    gateway._media_type_matches = lambda accepted, binary: matches((accepted or "").split(",")[0], binary)


def _retry_rule_targets(rules: Any, lambdas: Any) -> None:
    """Call a function of a rule again after it failed, as AWS does; MiniStack does so for all other events.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """

    def invoke(arn: str, payload: str) -> None:
        function, config, _ = lambdas._get_func_record_for_ref(arn)
        if function and config:
            lambdas.invoke_async_with_retry(lambdas._execution_record_for_config(function, config), json.loads(payload))

    rules._dispatch_to_lambda = invoke


def _save_nothing(_: object) -> None:
    """Leave a snapshot as it is: others begin with it too."""


def _share_layers(runtime: Any, lambdas: Any, directory: Path) -> None:
    """Unpack each layer once; MiniStack would for every process of every function, for seconds each."""
    spawn = runtime.Worker._spawn
    unpacking = threading.Lock()

    @cache
    def unpack(layer: str) -> str:
        content = lambdas._resolve_layer_zip(layer)
        place = directory / hashlib.sha256(content).hexdigest()
        if not place.exists():
            directory.mkdir(parents=True, exist_ok=True)
            unpacked = Path(tempfile.mkdtemp(dir=directory))
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                file.extractall(unpacked)
            try:
                unpacked.rename(place)
            except OSError:
                # Another world was first.
                shutil.rmtree(unpacked)
                if not place.exists():
                    raise
        return str(place)

    def spawn_on_shared(worker: Any) -> None:
        whole = worker.config
        with unpacking:
            places = [unpack(layer if isinstance(layer, str) else layer["Arn"]) for layer in whole.get("Layers", [])]
        variables = {
            **whole.get("Environment", {}).get("Variables", {}),
            "_LAMBDA_LAYERS_DIRS": os.pathsep.join(places),
        }
        worker.config = {**whole, "Layers": [], "Environment": {"Variables": variables}}
        try:
            spawn(worker)
        finally:
            worker.config = whole

    runtime.Worker._spawn = spawn_on_shared


def mend(interpreter: Any) -> None:
    """Wrap functions of MiniStack's module `services.stepfunctions`."""
    _evaluate_timeouts(interpreter)
    _map_files_in_jsonata(interpreter)
    _fail_tasks_whose_function_fails(interpreter)


def _evaluate_timeouts(interpreter: Any) -> None:
    """Take a JSONata expression as TimeoutSeconds (Amazon States Language, "Timeouts")."""
    execute_task = interpreter._execute_task

    def evaluate(state: State, given: Any, context: dict[str, Any]) -> int:
        seconds = interpreter._jsonata_state_field(state, "TimeoutSeconds", "number", given, context)
        if seconds <= 0 or not float(seconds).is_integer():
            raise interpreter._ExecutionError(
                "States.QueryEvaluationError", f"TimeoutSeconds must be a positive integer, and is {seconds}"
            )
        return int(seconds)

    def execute(state: State, given: Any, execution: Any, context: dict[str, Any]) -> Any:
        if not isinstance(state.get("TimeoutSeconds"), str):
            return execute_task(state, given, execution, context)
        try:
            seconds = evaluate(state, given, context)
        except interpreter._ExecutionError as error:
            fault = error

            def fail() -> NoReturn:
                raise fault

            return interpreter._with_retry_and_catch(state, given, context, fail)
        return execute_task({**state, "TimeoutSeconds": seconds}, given, execution, context)

    interpreter._execute_task = execute


def _map_files_in_jsonata(interpreter: Any) -> None:
    """Evaluate the ItemReader, Output and Assign of a Distributed Map in JSONata ("Reading Items", "Map State").

    Its items see no variables: each is an execution of its own.
    """
    run_by_path = interpreter._run_distributed_map

    def run(  # noqa: PLR0917 (MiniStack calls it)
        state: State, given: Any, effective: Any, processor: State, execution: Any, context: dict[str, Any]
    ) -> Any:
        if interpreter._state_query_language(state, context) != "JSONata":
            return run_by_path(state, given, effective, processor, execution, context)
        reader = state["ItemReader"]
        arguments = interpreter._apply_jsonata_template(reader["Arguments"], given, context)
        results, next_name = run_by_path(
            {**state, "ItemReader": {**reader, "Arguments": arguments}},
            given,
            effective,
            processor,
            execution,
            {**context, "variables": {}},
        )
        output = interpreter._apply_jsonata_output(state, given, context, result=results, default=results)
        interpreter._apply_state_assign(state, given, context, result=results)
        return output, next_name

    interpreter._run_distributed_map = run


def _fail_tasks_whose_function_fails(interpreter: Any) -> None:
    """Let the error of a function that is given a task token fail its Task; MiniStack would wait on for the token."""
    call_function, wait_for_token = interpreter._call_lambda, interpreter._invoke_with_callback
    waits_for: ContextVar[str] = ContextVar("waits_for", default="")

    def call(function: Any, event: Any) -> Any:
        try:
            return call_function(function, event)
        except interpreter._ExecutionError as error:
            callback = interpreter._task_tokens.get(waits_for.get())
            # What was sent with the token before counts.
            if callback is not None and not callback["event"].is_set():
                callback["error"] = {"Error": error.error, "Cause": error.cause}
                callback["event"].set()
            raise

    def wait(resource: str, arguments: Any, token: str, state: State) -> Any:
        outer = waits_for.set(token)
        try:
            return wait_for_token(resource, arguments, token, state)
        finally:
            waits_for.reset(outer)

    interpreter._call_lambda, interpreter._invoke_with_callback = call, wait


if __name__ == "__main__":
    main()
