"""The steps of the batch state machine; the event names the one to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.batches import BatchStepInput, PartLine


def _read_batch_id(event: dict[str, Any]) -> str:
    return BatchStepInput.model_validate(event).batch_id


_STEPS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "read_rows": lambda event: stack().read_rows(_read_batch_id(event)).model_dump(mode="json"),
    "submit_chunk": lambda event: stack().submit_chunk(PartLine.model_validate(event)),
    "finish_submitting": lambda event: stack().finish_submitting(_read_batch_id(event)).model_dump(mode="json"),
    "write_results": lambda event: stack().write_results(_read_batch_id(event)),
    "cancel_part": lambda event: stack().cancel_part(PartLine.model_validate(event)),
}


@logger.inject_lambda_context(correlation_id_path="batch_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Take the step once."""
    del context
    result = _STEPS[event["step"]](event)
    logger.info("step", extra={"step": event["step"], **(result or {})})
    return result
