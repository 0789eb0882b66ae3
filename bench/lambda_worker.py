"""One function in a process like Lambda's: takes events on stdin, a line each, and tells what each took on stdout.

Run by `bench.memory_settings` on Lambda's Python, with the function's code and layers on the path and nothing else. So
it imports nothing of the project and nothing that a Lambda does not have.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace


def _make_context(number: int) -> SimpleNamespace:
    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    return SimpleNamespace(
        function_name=name,
        memory_limit_in_mb=512,
        invoked_function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        aws_request_id=f"request-{number}",
        get_remaining_time_in_millis=lambda: 29_000,
    )


def _read_peak_mb() -> float:
    # Not ru_maxrss: Linux begins it with what the parent had.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Import the handler, and call it for each event."""
    # What the function logs goes nowhere: on Lambda another process takes it.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    print(json.dumps({"cpu_seconds": time.process_time()}), file=told, flush=True)
    for number, line in enumerate(sys.stdin):
        event = json.loads(line)
        cpu, wall = time.process_time(), time.perf_counter()
        answer = handler(event, _make_context(number))
        used = {
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
            "peak_mb": _read_peak_mb(),
            "answer": answer,
        }
        print(json.dumps(used), file=told, flush=True)


if __name__ == "__main__":
    main()
