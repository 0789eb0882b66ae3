"""A state machine's definition, read strictly: anything this host does not support is refused before a start.

Known is what statemachine/*.asl.json use of the Amazon States Language (states-language.net/spec.html) and of Step
Functions' own parts of it (developer guide: "Using Lambda", "ItemReader", "Passing data between states with
variables"). Substitutions, `${…}`, stay as they are: the host knows its functions by these names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from mediaposter.host.expressions import CONTEXT, Refused, is_expression, list_references

__all__ = ["Catcher", "Choice", "Definition", "Fail", "Map", "Pass", "Refused", "Resource", "Retrier", "Scope", "State"]

_RESOURCE = re.compile(r"arn:(?:\$\{Partition\}|aws(?:-\w+)*):states:::(.+)")
_TOKEN = "{% $states.context.Task.Token %}"  # noqa: S105 (where one is, and none)
# The one write that Step Functions itself makes for these machines, word by word: there is no DynamoDB here that would
# understand another.
_WAIT_WRITE: Mapping[str, Any] = {
    "UpdateExpression": "SET task_token = :token, #ttl = :ttl ADD version :one",
    "ConditionExpression": "attribute_not_exists(hinted_at)",
    "ExpressionAttributeNames": {"#ttl": "ttl"},
}


class Resource(Enum):
    """What a Task may do."""

    INVOKE = auto()
    INVOKE_AND_WAIT = auto()
    WRITE_AND_WAIT = auto()


_RESOURCES: Mapping[str, Resource] = {
    "lambda:invoke": Resource.INVOKE,
    "lambda:invoke.waitForTaskToken": Resource.INVOKE_AND_WAIT,
    "aws-sdk:dynamodb:updateItem.waitForTaskToken": Resource.WRITE_AND_WAIT,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_pascal)


class Retrier(_Part):
    """Which errors are tried again, how often, and after how long."""

    error_equals: list[str] = Field(min_length=1)
    interval_seconds: int = Field(default=1, ge=1)
    max_attempts: int = Field(default=3, ge=0)
    backoff_rate: float = Field(default=2.0, ge=1)
    max_delay_seconds: int | None = Field(default=None, ge=1)
    jitter_strategy: Literal["FULL", "NONE"] = "NONE"


class _Leaving(_Part):
    """The Output and Assign of a transition out of a state."""

    assign: dict[str, Any] = Field(default_factory=dict)
    output: Any = None

    @property
    def has_output(self) -> bool:
        """Tell whether an Output was written; one of null is one."""
        return "output" in self.model_fields_set


class Catcher(_Leaving):
    """The next state after an error."""

    error_equals: list[str] = Field(min_length=1)
    next: str


class Rule(_Leaving):
    """The next state if a condition holds."""

    condition: str
    next: str


class _State(_Leaving):
    comment: str = ""


class _GoingOn(_State):
    next: str | None = None
    end: Literal[True] | None = None


class Task(_GoingOn):
    """A call, and the handling of its errors."""

    type: Literal["Task"]
    resource: str
    arguments: dict[str, Any]
    timeout_seconds: int | str
    retry: list[Retrier] = Field(default_factory=list)
    catch: list[Catcher] = Field(default_factory=list)

    @property
    def kind(self) -> Resource:
        """Give the kind of its resource."""
        found = _RESOURCE.fullmatch(self.resource)
        if found is None or found[1] not in _RESOURCES:
            raise Refused(f"Resource is {self.resource}, which this host does not know")
        return _RESOURCES[found[1]]


class ReaderConfig(_Part):
    """What kind of file a Map reads."""

    input_type: Literal["JSONL"]


class ItemReader(_Part):
    """The file that a Map reads its items from."""

    resource: str
    reader_config: ReaderConfig
    arguments: dict[str, Any]


class ProcessorConfig(_Part):
    """Whether each item has a separate execution."""

    mode: Literal["INLINE", "DISTRIBUTED"]
    execution_type: Literal["STANDARD"] | None = None


class Map(_GoingOn):
    """The same states for each of several items."""

    type: Literal["Map"]
    items: str | list[Any] | None = None
    item_reader: ItemReader | None = None
    item_processor: ItemProcessor
    max_concurrency: int = Field(default=0, ge=0)
    tolerated_failure_percentage: int = Field(default=0, ge=0, le=100)
    catch: list[Catcher] = Field(default_factory=list)


class Choice(_Part):
    """The next state by conditions."""

    type: Literal["Choice"]
    comment: str = ""
    choices: list[Rule] = Field(min_length=1)
    default: str | None = None


class Wait(_GoingOn):
    """Waits for a time."""

    type: Literal["Wait"]
    seconds: int | str


class Pass(_GoingOn):
    """Only sets variables and an output."""

    type: Literal["Pass"]


class Succeed(_Part):
    """Ends the execution successfully."""

    type: Literal["Succeed"]
    comment: str = ""


class Fail(_Part):
    """Ends the execution as failed."""

    type: Literal["Fail"]
    comment: str = ""
    error: str
    cause: str = ""


State = Annotated[Task | Map | Choice | Wait | Pass | Succeed | Fail, Field(discriminator="type")]


class Scope(_Part):
    """States that lead to each other."""

    start_at: str
    states: dict[str, State]


class ItemProcessor(Scope):
    """The states of one item of a Map."""

    processor_config: ProcessorConfig

    @property
    def is_distributed(self) -> bool:
        """Tell whether each item has a separate execution."""
        return self.processor_config.mode == "DISTRIBUTED"


class Definition(Scope):
    """A whole machine."""

    comment: str = ""
    query_language: Literal["JSONata"]
    timeout_seconds: int = Field(ge=1)

    @classmethod
    def load(cls, text: str) -> Definition:
        """Read a definition.

        Raises:
            Refused: it is invalid, or this host does not support all of it; says where, and what.
        """
        try:
            definition = cls.model_validate_json(text)
        except ValidationError as error:
            problems = "; ".join(f"{_tell_place(problem['loc'])}: {problem['msg']}" for problem in error.errors())
            raise Refused(f"This host does not know all of the definition. {problems}.") from error
        _check_scope(definition, frozenset())
        return definition

    def list_functions(self) -> set[str]:
        """List the names of the functions that it invokes."""
        return set(_list_functions(self))


def _tell_place(place: tuple[int | str, ...]) -> str:
    return " > ".join(map(str, place))


def _list_functions(scope: Scope) -> Iterator[str]:
    for state in scope.states.values():
        if isinstance(state, Task) and state.kind is not Resource.WRITE_AND_WAIT:
            yield state.arguments["FunctionName"]
        elif isinstance(state, Map):
            yield from _list_functions(state.item_processor)


def _check_scope(scope: Scope, outer: frozenset[str]) -> None:
    own = frozenset(_list_assigned(scope))
    if own & outer or "states" in own:
        raise Refused(f"Assign: {', '.join(own & (outer | {'states'}))} is another scope's name, or a reserved one.")
    if scope.start_at not in scope.states:
        raise Refused(f"StartAt: there is no state {scope.start_at}.")
    for name, state in scope.states.items():
        try:
            _check_state(scope, state, own | outer)
        except Refused as refused:
            raise Refused(f"State {name}: {refused}.") from refused
        if isinstance(state, Map):
            # A separate execution sees no variables of this one.
            seen = frozenset() if state.item_processor.is_distributed else own | outer
            _check_scope(state.item_processor, seen)


def _check_state(scope: Scope, state: State, variables: frozenset[str]) -> None:
    for target in _list_targets(state):
        if target not in scope.states:
            raise Refused(f"there is no state {target} to go to")
    if isinstance(state, _GoingOn) and (state.next is None) == (state.end is None):
        raise Refused("it has either a Next or an End")
    plain = variables | {"states.input", "states.context"}
    if isinstance(state, _State):
        after = plain | {"states.result"} if isinstance(state, Task | Map) else plain
        _check_names([state.assign, state.output], after)
    if isinstance(state, Choice):
        _check_names([[rule.condition, rule.assign, rule.output] for rule in state.choices], plain)
    if isinstance(state, Wait):
        _check_names(state.seconds, plain)
    if isinstance(state, Fail) and (is_expression(state.error) or is_expression(state.cause)):
        raise Refused("Error and Cause are texts, and no expressions")
    if isinstance(state, Task | Map):
        _check_catchers(state.catch, plain | {"states.errorOutput"})
    if isinstance(state, Task):
        _check_retriers(state.retry)
        _check_task(state, plain)
    if isinstance(state, Map):
        _check_map(state, plain)


def _list_assigned(scope: Scope) -> Iterator[str]:
    for state in scope.states.values():
        if isinstance(state, _State):
            yield from state.assign
        for way in (*_list_catchers(state), *(state.choices if isinstance(state, Choice) else ())):
            yield from way.assign


def _list_catchers(state: State) -> list[Catcher]:
    return state.catch if isinstance(state, Task | Map) else []


def _list_targets(state: State) -> Iterator[str]:
    if isinstance(state, _GoingOn) and state.next is not None:
        yield state.next
    if isinstance(state, Choice):
        yield from (rule.next for rule in state.choices)
        if state.default is not None:
            yield state.default
    yield from (catcher.next for catcher in _list_catchers(state))


def _check_names(template: Any, known: frozenset[str], *, may_have_token: bool = False) -> None:
    for reference in list_references(template):
        first, *rest = reference.split(".")
        name = ".".join([first, *rest[:1]]) if first == "states" else first
        if name not in known:
            raise Refused(f"nothing gives ${name} here")
        if name == "states.context":
            place = ".".join(rest[1:3])
            if place not in CONTEXT or (place == "Task.Token" and not may_have_token):
                raise Refused(f"this host does not know ${reference} here")


def _check_catchers(catchers: list[Catcher], known: frozenset[str]) -> None:
    _check_errors([catcher.error_equals for catcher in catchers])
    _check_names([[catcher.assign, catcher.output] for catcher in catchers], known)


def _check_retriers(retriers: list[Retrier]) -> None:
    _check_errors([retrier.error_equals for retrier in retriers])
    if any(
        (retrier.max_delay_seconds or retrier.interval_seconds + 1) <= retrier.interval_seconds for retrier in retriers
    ):
        raise Refused("MaxDelaySeconds is more than IntervalSeconds")


def _check_errors(errors: Iterable[list[str]]) -> None:
    listed = list(errors)
    for number, names in enumerate(listed, start=1):
        if "States.ALL" in names and (names != ["States.ALL"] or number < len(listed)):
            raise Refused("States.ALL stands alone, and last")


def _check_task(state: Task, known: frozenset[str]) -> None:
    kind = state.kind
    _check_names(state.timeout_seconds, known)
    _check_names(state.arguments, known, may_have_token=kind is not Resource.INVOKE)
    if isinstance(state.timeout_seconds, int) and state.timeout_seconds <= 0:
        raise Refused("TimeoutSeconds is more than 0")
    if kind is Resource.WRITE_AND_WAIT:
        return _check_wait_write(state.arguments)
    if set(state.arguments) != {"FunctionName", "Payload"}:
        raise Refused("Arguments are FunctionName and Payload, and nothing else")
    if not isinstance(state.arguments["FunctionName"], str) or is_expression(state.arguments["FunctionName"]):
        raise Refused("FunctionName is a name, and no expression")
    return None


def _check_wait_write(arguments: Mapping[str, Any]) -> None:
    key, values = arguments.get("Key", {}), arguments.get("ExpressionAttributeValues", {})
    expected = {
        **_WAIT_WRITE,
        "TableName": arguments.get("TableName"),
        "Key": {"pk": {"S": key.get("pk", {}).get("S")}, "sk": {"S": "WAIT"}},
        "ExpressionAttributeValues": {
            ":token": {"S": _TOKEN},
            ":ttl": {"N": values.get(":ttl", {}).get("N")},
            ":one": {"N": "1"},
        },
    }
    if dict(arguments) != expected:
        raise Refused("Arguments are those of the one write that this host knows, that of a wait, word by word")


def _check_map(state: Map, known: frozenset[str]) -> None:
    reader = state.item_reader
    is_distributed = state.item_processor.is_distributed
    if (reader is None) == is_distributed:
        raise Refused("an INLINE Map has Items, a DISTRIBUTED one an ItemReader")
    if state.tolerated_failure_percentage and not is_distributed:
        raise Refused("only a DISTRIBUTED Map tolerates failures")
    _check_names(state.items, known)
    if reader is not None:
        found = _RESOURCE.fullmatch(reader.resource)
        if found is None or found[1] != "s3:getObject":
            raise Refused(f"its ItemReader is {reader.resource}, which this host does not know")
        if set(reader.arguments) != {"Bucket", "Key"}:
            raise Refused("the Arguments of its ItemReader are Bucket and Key, and nothing else")
        _check_names(reader.arguments, known)
