"""A planted fault for every rule on state machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks.asl import check_asl
from checks.state_machine import count_history_events, read_state_machine
from tests.unit.checks.planting import plant, run_check

_FILE = "statemachine/video.asl.json"
_RETRY = [
    {
        "ErrorEquals": [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
        ],
        "JitterStrategy": "FULL",
    }
]

Machine = dict[str, Any]
Edit = Callable[[Machine], object]


def _edit(root: Path, edit: Edit) -> list[str]:
    """Change the definition, and give what the check finds then."""
    machine = json.loads((root / _FILE).read_text())
    edit(machine)
    (root / _FILE).write_text(json.dumps(machine))
    return check_asl(root)


def _poll(machine: Machine) -> Machine:
    state: Machine = machine["States"]["Check Generation"]
    return state


def _post_states(machine: Machine) -> Machine:
    states: Machine = machine["States"]["Publish Posts"]["ItemProcessor"]["States"]
    return states


def _loop_on_without_counting(machine: Machine) -> None:
    choice = machine["States"]["Finished?"]["Choices"][2]
    choice["Condition"] = "{% $states.input.outcome = 'wait' %}"


def _count_only_one_way_round(machine: Machine) -> None:
    del _poll(machine)["Catch"][0]["Assign"]


def _set_the_counter_back(machine: Machine) -> None:
    machine["States"]["Wait For Render"]["Assign"] = {"polls": 1}


def _make_the_bound_an_alternative(machine: Machine) -> None:
    choice = machine["States"]["Finished?"]["Choices"][2]
    choice["Condition"] = "{% $states.input.outcome = 'wait' or $polls <= 251 %}"


def _count_with_another_name(machine: Machine) -> None:
    text = json.dumps(machine["States"]).replace("$polls", "$questions").replace('"polls"', '"questions"')
    machine["States"] = json.loads(text)


def _bound_polls(bound: int) -> Edit:
    condition = f"{{% $states.input.outcome = 'wait' and $polls <= {bound} %}}"
    return lambda machine: machine["States"]["Finished?"]["Choices"][2].update(Condition=condition)


def _bound_faults(bound: int) -> Edit:
    outcome = f"{{% $faults < {bound} ? 'wait' : 'fault' %}}"
    return lambda machine: machine["States"]["Store Video"]["Catch"][0]["Output"].update(outcome=outcome)


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert check_asl(root) == []


def test_the_longest_history_is_told_and_fits(root: Path) -> None:
    code, printed = run_check("asl", root)

    events = count_history_events(read_state_machine(root / _FILE), map_items=20)
    assert (code, printed) == (0, [f"video.asl.json: an execution has {events:,} events at the most, of 20,000 allowed"])


def test_the_command_prints_the_findings_and_fails(root: Path) -> None:
    plant(root, _FILE, '"$polls <= 251', '"$polls <= 9999') if False else None
    place = 'State "Check Generation"'
    machine = json.loads((root / _FILE).read_text())
    del _poll(machine)["TimeoutSeconds"]
    (root / _FILE).write_text(json.dumps(machine))

    assert run_check("asl", root) == (1, [f"{_FILE}: {place}: it must have TimeoutSeconds"])
