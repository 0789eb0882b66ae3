"""What the Amazon States Language says of each feature that the machines use, on the host's walker.

Sources: states-language.net/spec.html, by section; Step Functions developer guide, by page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.expressions import StatesError
from tests.fakes.host import WAIT_WRITE, Host, a_machine, a_pass, a_task

TOKEN = {"token": "{% $states.context.Task.Token %}"}
ALL = ["States.ALL"]


def failing(*errors: str) -> Callable[[Any], Any]:
    """Give a function that fails with each of these, then works."""
    left = list(errors)

    def work(payload: Any) -> Any:
        if left:
            raise StatesError(left.pop(0), "it broke")
        return payload

    return work


def a_callback(**fields: Any) -> dict[str, Any]:
    """Give a state that invokes a function, and waits to be told."""
    return {**a_task(payload=TOKEN, **fields), "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}


# Developer guide, "Passing data between states with variables"; spec, "Variables"


def test_variables_and_output_of_a_state_see_the_variables_as_they_were() -> None:
    swap = {"a": "{% $b %}", "b": "{% $a %}"}
    first = a_pass(Assign={"a": 1, "b": 2}, Next="Swap")
    machine = a_machine(First=first, Swap=a_pass(Assign=swap, Output=["{% $a %}", "{% $b %}"], Next="Tell"))
    machine["States"]["Tell"] = a_task(payload=["{% $states.input %}", "{% $a %}", "{% $b %}"])

    host = Host(machine)

    assert host.run() is ExecutionStatus.SUCCEEDED
    assert host.calls == [[[1, 2], 2, 1]]


def test_a_null_is_null_and_not_what_is_missing() -> None:
    said = {
        "variable": "{% $fault = null %}",
        "field": "{% $states.input.reason = null %}",
        "itself": "{% $fault %}",
        "there": "{% $exists($states.input.reason) %}",
        "missing": "{% $exists($states.input.other) %}",
    }
    host = Host(a_machine(First=a_pass(Assign={"fault": None}, Next="Tell"), Tell=a_task(payload=said)))

    host.run({"reason": None})

    assert host.calls == [{"variable": True, "field": True, "itself": None, "there": True, "missing": False}]


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("$count($states.input.list) > 0", {"list": []}, False),
        ("$states.input.list", {"list": [{"a": 1}]}, [{"a": 1}]),
        ("$states.input.list.a", {"list": [{"a": 1}, {"a": 2}]}, [1, 2]),
        ("$states.input.a = 1", {"a": True}, False),
        ("$round(10 + $random() * 50)", {}, 35),
        ("$round(2.5)", {}, 2),
        ("$states.input.list = [null]", {"list": [None]}, True),
        ("$states.input.a ? null : 1", {"a": True}, None),
        ("$string($states.input.a)", {"a": {"b": None}}, '{"b":null}'),
        ("'x/' & $states.input.a & '/y'", {"a": 7}, "x/7/y"),
        ("$states.input.a < 6 ? 'wait' : 'fault'", {"a": 6}, "fault"),
        ("10 + 20 * ($states.input.a + 1)", {"a": 1}, 50),
        ("$states.context.Execution.Input.a", {"a": "given"}, "given"),
        ("$states.context.Execution.Name", {}, "one"),
        ("$states.context.State.Name", {}, "Tell"),
    ],
)
def test_an_expression_gives_what_jsonata_says(expression: str, given: Any, value: Any) -> None:
    host = Host(a_machine(Tell=a_task(payload={"said": f"{{% {expression} %}}"})))

    host.run(given)

    assert host.calls == [{"said": value}]


def test_chance_is_drawn_anew_each_time() -> None:
    host = Host(a_machine(Tell=a_task(payload="{% $round($random() * 10) %}")))

    for drawn in (0.1, 0.9):
        host.drawn = drawn
        host.start(name=str(drawn))

    assert host.calls == [1, 9]


def test_an_expression_is_evaluated_anew_for_other_values() -> None:
    said = ["{% $states.input.a = 1 %}", "{% $exists($states.input.a.b) %}", "{% $states.input.a & '' %}"]
    host = Host(a_machine(Tell=a_task(payload=said)))

    for number, value in enumerate((True, 1, None, "1", [{"b": 1}], {"b": 1}, {}, 1)):
        host.start({"a": value}, str(number))

    assert [call[:2] for call in host.calls] == [
        [False, False],
        [True, False],
        [False, False],
        [False, False],
        [False, True],
        [False, True],
        [False, False],
        [True, False],
    ]


@pytest.mark.parametrize("expression", ["$states.input.missing", "$states.input.text + 1"])
def test_an_expression_that_gives_nothing_is_an_error_that_can_be_caught(expression: str) -> None:
    catch = {"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}
    task = a_task(payload=f"{{% {expression} %}}", Catch=[catch])
    host = Host(a_machine(Tell=task, Caught=a_pass()))

    assert host.run({"text": "a"}) is ExecutionStatus.SUCCEEDED
    assert (host.states, host.calls) == (["Tell", "Caught"], [])


# Developer guide, "Invoke an Lambda function with Step Functions"


def test_a_function_is_given_json_and_answers_json() -> None:
    host = Host(
        a_machine(Work=a_task("odd", Output="{% $states.result.Payload %}")), functions={"odd": lambda _: set()}
    )

    host.run()

    assert [ended.error for ended in host.ends] == ["Runtime.MarshalError"]


def test_what_a_function_raises_is_an_error_by_the_name_of_its_class() -> None:
    def work(_: Any) -> None:
        raise FileNotFoundError("there is no such thing")

    catch = {"ErrorEquals": ["FileNotFoundError"], "Output": "{% $states.errorOutput %}", "Next": "Tell"}
    host = Host(a_machine(Work=a_task("broken", Catch=[catch]), Tell=a_task()), functions={"broken": work})

    host.run()

    assert host.calls == [{"Error": "FileNotFoundError", "Cause": "there is no such thing"}]


# Spec, "Choice State"


@pytest.mark.parametrize(("number", "state"), [(1, "One"), (2, "Both"), (3, "Else")])
def test_a_choice_takes_the_first_rule_that_holds(number: int, state: str) -> None:
    rules = [
        {"Condition": "{% $states.input.n = 1 %}", "Next": "One"},
        {"Condition": "{% $states.input.n <= 2 %}", "Next": "Both"},
    ]
    ends = {name: {"Type": "Succeed"} for name in ("One", "Both", "Else")}
    host = Host(a_machine(Which={"Type": "Choice", "Choices": rules, "Default": "Else"}, **ends))

    host.run({"n": number})

    assert host.states == ["Which", state]


def test_a_choice_that_nothing_matches_fails_the_execution() -> None:
    rules = [{"Condition": "{% false %}", "Next": "Never"}]
    host = Host(a_machine(Which={"Type": "Choice", "Choices": rules}, Never={"Type": "Succeed"}))

    assert host.run() is ExecutionStatus.FAILED


def test_a_fail_state_ends_with_its_error_and_cause() -> None:
    host = Host(a_machine(End={"Type": "Fail", "Error": "BrokenOff", "Cause": "It could not go on."}))

    assert host.run() is ExecutionStatus.FAILED
    assert [(ended.error, ended.cause) for ended in host.ends] == [("BrokenOff", "It could not go on.")]


# Spec, "Wait State"


def test_a_wait_lasts_the_seconds_that_its_expression_gives() -> None:
    host = Host(a_machine(Rest={"Type": "Wait", "Seconds": "{% $states.input.s %}", "Next": "Work"}, Work=a_task()))
    host.start({"s": 30})

    host.pass_time(29)
    assert host.calls == []
    host.pass_time(1)
    assert host.calls == [{"s": 30}]


@pytest.mark.parametrize("seconds", [-1, 1.5, "soon", None])
def test_a_wait_of_no_whole_number_of_seconds_fails(seconds: Any) -> None:
    host = Host(a_machine(Rest={"Type": "Wait", "Seconds": "{% $states.input.s %}", "End": True}))

    assert host.run({"s": seconds}) is ExecutionStatus.FAILED


# Spec, "Errors", "Complex retry scenarios"; developer guide, "Handling errors in Step Functions workflows"


def test_each_retrier_counts_for_itself() -> None:
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["B"], "MaxAttempts": 1}]
    host = Host(a_machine(Work=a_task("odd", Retry=retry)), functions={"odd": failing("A", "B", "A", "B", "A")})

    assert host.run() is ExecutionStatus.FAILED
    assert [ended.error for ended in host.ends] == ["B"]
    assert host.states == ["Work"] * 4


def test_the_first_retrier_that_names_an_error_is_taken() -> None:
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 0}, {"ErrorEquals": ALL, "MaxAttempts": 9}]
    host = Host(a_machine(Work=a_task("odd", Retry=retry)), functions={"odd": failing("A")})

    assert host.run() is ExecutionStatus.FAILED


@pytest.mark.parametrize(
    ("fields", "drawn", "seconds"),
    [
        ({}, 0.5, [1, 2, 4]),
        ({"IntervalSeconds": 3, "BackoffRate": 1.0}, 0.5, [3, 3, 3]),
        ({"IntervalSeconds": 10, "MaxDelaySeconds": 15}, 0.5, [10, 15, 15]),
        ({"IntervalSeconds": 10, "MaxDelaySeconds": 15, "JitterStrategy": "FULL"}, 0.2, [2, 3, 3]),
        ({"IntervalSeconds": 10, "JitterStrategy": "FULL"}, 0.0, [0, 0, 0]),
    ],
)
def test_a_retry_waits_as_its_retrier_says(fields: dict[str, Any], drawn: float, seconds: list[float]) -> None:
    times: list[float] = []
    work = failing("A", "A", "A")

    def timed(payload: Any) -> Any:
        times.append(host.clock.monotonic())
        return work(payload)

    host = Host(a_machine(Work=a_task("odd", Retry=[{"ErrorEquals": ALL, **fields}])), functions={"odd": timed})
    host.drawn = drawn

    assert host.run() is ExecutionStatus.SUCCEEDED
    assert [round(after - before, 3) for before, after in pairwise(times)] == seconds


@pytest.mark.parametrize(
    ("error", "names", "is_caught"),
    [
        ("A", ["B", "A"], True),
        ("A", ["B"], False),
        ("A", ALL, True),
        ("A", ["States.TaskFailed"], True),
        ("States.Timeout", ["States.TaskFailed"], False),
        ("States.Timeout", ALL, True),
        ("States.Runtime", ALL, False),
        ("States.DataLimitExceeded", ALL, False),
    ],
)
def test_a_catch_takes_the_errors_that_it_names(error: str, names: list[str], is_caught: bool) -> None:
    task = a_task("odd", Catch=[{"ErrorEquals": names, "Next": "Caught"}])
    host = Host(a_machine(Work=task, Caught=a_pass()), functions={"odd": failing(error)})

    host.run()

    assert ("Caught" in host.states) is is_caught


def test_a_catch_assigns_and_gives_the_error_on() -> None:
    catch = {"ErrorEquals": ALL, "Assign": {"n": "{% $n + 1 %}"}, "Output": {"was": "{% $n %}"}, "Next": "Tell"}
    work = a_task("odd", Catch=[catch], Assign={"n": 99})
    tell = a_task(payload=["{% $n %}", "{% $states.input %}"])
    machine = a_machine(First=a_pass(Assign={"n": 1}, Next="Work"), Work=work, Tell=tell)
    host = Host(machine, functions={"odd": failing("A")})

    host.run()

    assert host.calls == [[2, {"was": 1}]]


# Spec, "Timeouts"


def test_a_wait_with_a_token_times_out_and_what_comes_later_is_nothing() -> None:
    catch = {"ErrorEquals": ["States.Timeout"], "Next": "Late"}
    host = Host(a_machine(Ask=a_callback(Catch=[catch]), Late={"Type": "Wait", "Seconds": 9, "End": True}))
    host.start()

    host.pass_time(60)
    host.send({"outcome": "approved"})

    assert host.states == ["Ask", "Late"]
    assert host.find_status() is ExecutionStatus.RUNNING


@pytest.mark.parametrize("seconds", [0, -5, 2.5, "x"])
def test_a_timeout_of_no_positive_number_of_seconds_is_an_error(seconds: Any) -> None:
    host = Host(a_machine(Work=a_task(TimeoutSeconds="{% $states.input.s %}")))

    assert host.run({"s": seconds}) is ExecutionStatus.FAILED
    assert host.calls == []


def test_an_execution_ends_when_its_time_is_over() -> None:
    host = Host(a_machine(50, Rest={"Type": "Wait", "Seconds": 500, "Next": "Work"}, Work=a_task()))
    host.start()

    host.pass_time(50)

    assert host.find_status() is ExecutionStatus.TIMED_OUT
    assert [(ended.status, ended.error) for ended in host.ends] == [(ExecutionStatus.TIMED_OUT, "States.Timeout")]
    host.pass_time(1_000)
    assert host.calls == []


# Developer guide, "Wait for a Callback with Task Token"


def test_what_is_sent_with_a_token_is_the_result_as_it_is() -> None:
    host = Host(a_machine(Ask=a_callback(Next="Tell"), Tell=a_task()))
    host.start()
    assert host.calls == [{"token": "token-1"}]

    host.send({"outcome": "approved"})

    assert host.calls[1:] == [{"outcome": "approved"}]


def test_an_answer_that_comes_before_the_call_has_returned_is_kept() -> None:
    def ask(payload: Any) -> None:
        host.loop.send(payload["token"], "early")

    ask_state = a_callback(Next="Tell")
    ask_state["Arguments"] = {"FunctionName": "ask", "Payload": TOKEN}
    host = Host(a_machine(Ask=ask_state, Tell=a_task()), functions={"ask": ask})

    assert host.run() is ExecutionStatus.SUCCEEDED
    assert host.calls == ["early"]


def test_each_attempt_has_a_token_of_its_own_and_an_answer_with_an_old_one_is_nothing() -> None:
    def ask(payload: Any) -> None:
        host.calls.append(payload["token"])
        if len(host.calls) == 1:
            raise StatesError("A")

    ask_state = a_callback(Retry=[{"ErrorEquals": ["A"]}])
    ask_state["Arguments"] = {"FunctionName": "ask", "Payload": TOKEN}
    host = Host(a_machine(Ask=ask_state), functions={"ask": ask})
    host.start()
    host.pass_time(1)
    assert host.calls == ["token-1", "token-2"]

    host.send("old", "token-1")
    assert host.find_status() is ExecutionStatus.RUNNING
    host.send("new", "token-2")
    assert host.find_status() is ExecutionStatus.SUCCEEDED


@pytest.mark.parametrize("is_written", [True, False])
def test_a_wait_is_written_down_with_its_token_unless_there_is_a_hint(is_written: bool) -> None:
    catch = {"ErrorEquals": ["DynamoDb.ConditionalCheckFailedException"], "Next": "Hinted"}
    listen = WAIT_WRITE | {"Catch": [catch], "End": True}
    host = Host(a_machine(Listen=listen, Hinted=a_pass()), write_wait=lambda _: is_written)
    host.start()

    assert [tuple(write) for write in host.writes] == [("JOB#sora#1", "WAIT", "token-1", 1000)]
    assert host.find_status() is (ExecutionStatus.RUNNING if is_written else ExecutionStatus.SUCCEEDED)
    host.send({})
    assert host.states == (["Listen"] if is_written else ["Listen", "Hinted"])


# Spec, "Map State"; developer guide, "Using Map state in Inline mode"


def a_map(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Give a Map over the input's `items`."""
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": next(iter(states)), "States": states}
    state = {"Type": "Map", "Items": "{% $states.input.items %}", "ItemProcessor": processor, **fields}
    return state if "Next" in state else {**state, "End": True}


def a_rest(**fields: Any) -> dict[str, Any]:
    """Give a state that waits as long as its input says."""
    return {"Type": "Wait", "Seconds": "{% $states.input %}", **fields}


def test_a_map_walks_its_items_at_once_and_gives_their_results_in_their_order() -> None:
    each = {"Rest": a_rest(Next="Work"), "Work": a_task(Output="{% $states.result.Payload + $base %}")}
    machine = a_machine(First=a_pass(Assign={"base": 100}, Next="Map"), Map=a_map(each, Next="Tell"), Tell=a_task())
    host = Host(machine)
    began = host.clock()

    host.run({"items": [3, 1, 2]})

    assert host.calls == [1, 2, 3, [103, 101, 102]]
    assert host.clock() - began == timedelta(seconds=3)


def test_a_map_walks_no_more_items_at_once_than_it_may() -> None:
    each = {"Rest": a_rest(Next="Work"), "Work": a_task()}
    host = Host(a_machine(Map=a_map(each, MaxConcurrency=2)))
    host.start({"items": [5, 5, 5, 5, 5]})

    host.pass_time(5)
    assert len(host.calls) == 2
    host.pass_time(10)
    assert len(host.calls) == 5


def test_the_variables_of_an_item_are_its_own() -> None:
    each = {"Keep": a_pass(Assign={"mine": "{% $states.input %}"}, Next="Rest")}
    each |= {"Rest": {"Type": "Wait", "Seconds": 1, "Next": "Work"}, "Work": a_task(payload="{% $mine %}")}
    host = Host(a_machine(Map=a_map(each)))

    host.run({"items": [1, 2]})

    assert host.calls == [1, 2]


def test_an_item_that_fails_ends_an_inline_map_and_all_its_other_items() -> None:
    rules = [{"Condition": "{% $states.input = 0 %}", "Next": "Fail"}]
    each = {"Which": {"Type": "Choice", "Choices": rules, "Default": "Rest"}, "Fail": {"Type": "Fail", "Error": "Bad"}}
    each |= {"Rest": a_rest(Next="Work"), "Work": a_task()}
    catch = {"ErrorEquals": ALL, "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}
    host = Host(
        a_machine(Map=a_map(each, Catch=[catch]), Caught={"Type": "Wait", "Seconds": 99, "Next": "Tell"}, Tell=a_task())
    )

    host.run({"items": [5, 0, 5]})

    assert host.calls == ["Bad"]


def test_a_map_of_nothing_gives_nothing() -> None:
    host = Host(a_machine(Map=a_map({"Work": a_task()}, Next="Tell"), Tell=a_task()))

    host.run({"items": []})

    assert host.calls == [[]]


# Developer guide, "Using Map state in Distributed mode", "ItemReader", "Setting failure thresholds"


def a_distributed_map(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Give a Map over the lines of a file, each an execution of its own."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    reader = {
        "Resource": "arn:${Partition}:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Arguments": {"Bucket": "${VideoBucket}", "Key": "{% $states.input.key %}"},
    }
    processor = {"ProcessorConfig": config, "StartAt": next(iter(states)), "States": states}
    state = {"Type": "Map", "ItemReader": reader, "ItemProcessor": processor, **fields}
    return state if "Next" in state else {**state, "End": True}


def test_each_line_of_a_file_is_an_execution_of_its_own() -> None:
    each = {"Work": a_task(payload="{% $states.context.Execution.Input %}")}
    lines = b'{"part": 0}\n{"part": null}\n'
    host = Host(a_machine(Map=a_distributed_map(each)), objects={"parts": lines})

    assert host.run({"key": "parts"}) is ExecutionStatus.SUCCEEDED
    assert host.calls == [{"part": 0}, {"part": None}]


@pytest.mark.parametrize("content", [None, b"{no json"])
def test_a_file_that_cannot_be_read_fails_its_map(content: bytes | None) -> None:
    catch = {"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}
    map_state = a_distributed_map({"Work": a_task()}, Catch=[catch])
    host = Host(a_machine(Map=map_state, Caught=a_pass()), objects={} if content is None else {"parts": content})

    assert host.run({"key": "parts"}) is ExecutionStatus.SUCCEEDED
    assert host.states == ["Map", "Caught"]


@pytest.mark.parametrize(
    ("percentage", "status"),
    [(0, ExecutionStatus.FAILED), (49, ExecutionStatus.FAILED), (50, ExecutionStatus.SUCCEEDED)],
)
def test_a_distributed_map_fails_when_more_items_fail_than_it_tolerates(
    percentage: int, status: ExecutionStatus
) -> None:
    def work(payload: Any) -> Any:
        host.calls.append(payload)
        if payload % 2 == 0:
            raise StatesError("A")
        return payload

    map_state = a_distributed_map({"Work": a_task("odd")}, ToleratedFailurePercentage=percentage)
    host = Host(a_machine(Map=map_state), functions={"odd": work}, objects={"parts": b"0\n1\n2\n3\n"})

    assert host.run({"key": "parts"}) is status
    errors = [] if status is ExecutionStatus.SUCCEEDED else ["States.ExceedToleratedFailureThreshold"]
    assert [ended.error for ended in host.ends if ended.error] == errors
