"""The status of the Step Functions execution of a video or a batch."""

from __future__ import annotations

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """The statuses of Step Functions (API reference, DescribeExecution)."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    @property
    def has_ended(self) -> bool:
        """Tell whether the execution is over."""
        return self not in (ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE)
