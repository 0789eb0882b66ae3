"""EventBridge Scheduler as far as it is used: one group, whose calls botocore's own model of the service checks."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

_PAGE_ENTRIES = 2


@cache
def _read_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("scheduler")


class FakeSchedulerClient:
    """Keeps entries by their names.

    Attributes:
        entries: what was last said of each.
        refusal: the code of the error that every creation meets, if any.
    """

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.refusal: str | None = None

    def create_schedule(self, **arguments: Any) -> object:
        """Make an entry."""
        _check("CreateSchedule", arguments)
        if self.refusal:
            raise _refuse(self.refusal, "CreateSchedule")
        if arguments["Name"] in self.entries:
            raise _refuse("ConflictException", "CreateSchedule")
        self.entries[arguments["Name"]] = arguments
        return {}

    def update_schedule(self, **arguments: Any) -> object:
        """Replace an entry."""
        _check("UpdateSchedule", arguments)
        self._require(arguments["Name"], "UpdateSchedule")
        self.entries[arguments["Name"]] = arguments
        return {}

    def delete_schedule(self, **arguments: Any) -> object:
        """Remove an entry."""
        _check("DeleteSchedule", arguments)
        self._require(arguments["Name"], "DeleteSchedule")
        del self.entries[arguments["Name"]]
        return {}

    def list_schedules(self, **arguments: Any) -> object:
        """List a page of entries."""
        _check("ListSchedules", arguments)
        names = sorted(name for name in self.entries if name > arguments.get("NextToken", ""))
        page = [{"Name": name, "State": self.entries[name]["State"]} for name in names[:_PAGE_ENTRIES]]
        more = {"NextToken": page[-1]["Name"]} if len(names) > len(page) else {}
        return {"Schedules": page, **more}

    def _require(self, name: str, operation: str) -> None:
        if name not in self.entries:
            raise _refuse("ResourceNotFoundException", operation)


def _check(operation: str, arguments: dict[str, Any]) -> None:
    shape = _read_model().operation_model(operation).input_shape
    assert shape is not None, operation
    report = ParamValidator().validate(arguments, shape)
    assert not report.has_errors(), report.generate_report()


def _refuse(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, operation)
