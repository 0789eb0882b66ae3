"""One logger and one set of metrics for all functions.

Nothing logs a prompt, a caption, a key or a presigned URL: log ids, states and codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

# Service and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL, set by the template.
logger = Logger()


@contextmanager
def correlate(correlation_id: str) -> Iterator[None]:
    """Log with a correlation id while the block runs, on this thread alone.

    Lambda's handlers use `logger.inject_lambda_context` instead: it keeps one id for the process.
    """
    before = dict(logger.thread_safe_get_current_keys())
    logger.thread_safe_append_keys(correlation_id=correlation_id)
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()
        logger.thread_safe_append_keys(**before)


def count_metric(name: str, *, stack: str) -> None:
    """Add one to a metric of this stack, written as an embedded metric to the log."""
    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace="MediaPoster") as metric:
        metric.add_dimension(name="stack", value=stack)
