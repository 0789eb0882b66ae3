"""What a cold start imports: each function's module beside the same module with `import openai` added.

Run by hand: `python -m bench.cold_import`. Every figure is the median of fresh interpreters, taken in turn in one
run and net of an interpreter that does nothing, because machines are noisy. `ready` also builds the use case
the function serves, which is where the stack imports what it needs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = 11
SUBMIT_SHARE_MAX = 0.55
# Stand-ins for what the template sets; no call is made.
ENVIRONMENT = {
    "LIBRARY_TABLE": "table",
    "VIDEO_BUCKET": "bucket",
    "EVENT_BUS": "bus",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:x",
    "SECRETS_PATH": "/x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "BATCH_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:y",
    "PROBE_FUNCTION": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
}


@dataclass(frozen=True)
class Function:
    """A function: its module, and what of the stack its first request builds."""

    module: str
    use_case: str


FUNCTIONS = (
    Function("functions.http.authorize", "keys"),
    Function("functions.http.submit", "submit_video"),
    Function("functions.http.api", "read_videos"),
    Function("functions.video.start_generation", "start_generation"),
    Function("functions.video.check_generation", "check_generation"),
    Function("functions.video.store_video", "store_video"),
    Function("functions.video.create_post", "create_post"),
    Function("functions.video.check_post", "check_post"),
    Function("functions.video.close_video", "close_video"),
    Function("functions.events.sweep", "sweep"),
)


def main() -> None:
    """Measure, print a table, and exit 1 if a claim is missed."""
    programs = {"pass": "pass"}
    for function in FUNCTIONS:
        imports = f"import {function.module}"
        ready = f"{imports}; {function.module}.stack().{function.use_case}"
        programs[f"{function.module} import"] = imports
        programs[f"{function.module} import+openai"] = f"{imports}; import openai"
        programs[f"{function.module} ready"] = ready
        programs[f"{function.module} ready+openai"] = f"{ready}; import openai"
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        _run(program)  # once for nothing: the .pyc files and the page cache
    for _ in range(ROUNDS):
        for name, program in programs.items():
            seconds[name].append(_run(program))
    empty = statistics.median(seconds.pop("pass"))
    net_ms = {name: (statistics.median(values) - empty) * 1000 for name, values in seconds.items()}

    print(f"{'module':<28}{'import':>9}{'+openai':>9}{'share':>7}{'ready':>9}{'+openai':>9}{'share':>7}   (ms, net)")
    for function in FUNCTIONS:
        row = [net_ms[f"{function.module} {kind}"] for kind in ("import", "import+openai", "ready", "ready+openai")]
        print(
            f"{function.module:<28}{row[0]:>9.0f}{row[1]:>9.0f}{row[0] / row[1]:>7.2f}"
            f"{row[2]:>9.0f}{row[3]:>9.0f}{row[2] / row[3]:>7.2f}"
        )
    submit = "functions.http.submit"
    shares = [net_ms[f"{submit} {kind}"] / net_ms[f"{submit} {kind}+openai"] for kind in ("import", "ready")]
    loads_openai = _loads_openai(FUNCTIONS[1])
    print(
        f"\nsubmit: at most {SUBMIT_SHARE_MAX} of the same with openai: {shares[0]:.2f} import, {shares[1]:.2f} ready"
    )
    print(f"openai in sys.modules after submit is ready: {loads_openai}")
    sys.exit(int(max(shares) > SUBMIT_SHARE_MAX or loads_openai))


def _run(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=_environment(), check=True)
    return time.perf_counter() - started


def _loads_openai(function: Function) -> bool:
    ready = f"import sys, {function.module}; {function.module}.stack().{function.use_case}"
    program = f"{ready}; sys.exit('openai' in sys.modules)"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=_environment(), check=False).returncode != 0


def _environment() -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    main()
