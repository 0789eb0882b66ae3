"""The stages of a video: the transitions between them, and how long each may take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class Stage(StrEnum):
    """The stage of a video; finer than OpenAI's four statuses."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    STORING = "storing"
    AWAITING_APPROVAL = "awaiting_approval"
    PUBLISHING = "publishing"
    DONE = "done"


# For each stage, the stages that lead to it; no other transition exists. A video returns to queued when its provider
# certainly accepted nothing, when another model takes over, or when its owner asked to send it again.
EARLIER_STAGES: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.QUEUED: (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING),
    Stage.SUBMITTING: (Stage.QUEUED,),
    Stage.RENDERING: (Stage.SUBMITTING,),
    Stage.STORING: (Stage.RENDERING,),
    Stage.AWAITING_APPROVAL: (Stage.STORING, Stage.DONE),
    Stage.PUBLISHING: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.DONE),
    Stage.DONE: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.PUBLISHING),
}
# Once the MP4 is stored the video is completed: nothing after that can fail it.
STAGES_THAT_CAN_FAIL = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING)
# At these stages a video holds a slot of its provider, or waits for one.
STAGES_AT_A_PROVIDER = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING)
# Few videos are at these stages and many more have their status, so an index of its own lists them.
STAGES_WITH_AN_INDEX = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING)
STAGES_OF_A_KEPT_VIDEO = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING, Stage.DONE)
# Posts may be sent only at these stages: a required approval was given.
STAGES_OF_POSTING = (Stage.PUBLISHING, Stage.DONE)
# Longer than any submit can run, so that the sweep never visits a video during one.
STARTED_WITHIN = timedelta(minutes=5)
# The dispatcher starts a video that waits for a slot; the sweep only checks that it still waits.
WAITS_FOR = timedelta(hours=1)
# How long after a video entered a stage the sweep checks its execution; a render also gets its expected time. Between
# stages the due time moves as rarely as possible: moving it costs two index writes.
ASKED_AFTER: Mapping[Stage, timedelta] = {
    Stage.SUBMITTING: timedelta(minutes=15),
    Stage.STORING: timedelta(minutes=25),
    Stage.PUBLISHING: timedelta(minutes=25),
}
