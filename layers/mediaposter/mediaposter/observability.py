"""One logger and one set of metrics for all functions.

Nothing logs a prompt, a caption, a key or a presigned URL: log ids, states and codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

SERVICE = "mediaposter"
# The level comes from POWERTOOLS_LOG_LEVEL. The name of the service does not come from the environment: metrics would
# have it as a dimension too (powertools-lambda-python, issue 3917), and no alarm on `stack` alone would find them.
logger = Logger(service=SERVICE, use_rfc3339=True)


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


def count_metric(name: str, *, stack: str, value: float = 1, provider: str | None = None) -> None:
    """Add to a metric of this stack, or of one of its providers, written as an embedded metric to the log.

    A metric of AWS costs $0.30 a month while it is written to, each set of dimensions by itself.
    """
    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace="MediaPoster") as metric:
        metric.add_dimension(name="stack", value=stack)
        if provider is not None:
            metric.add_dimension(name="provider", value=provider)
