"""Kinds of trouble, and how their histories are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from hypothesis import strategies as st

from tests.fakes.trouble.history import (
    Accident,
    AccidentKind,
    Deed,
    DeedKind,
    History,
    Outage,
    Rows,
    Setting,
    Who,
    Wish,
)
from tests.fakes.trouble.stack import MODELS

# Most of what happens to a video happens in its first five minutes.
MOMENTS = (0, 5, 15, 30, 45, 60, 75, 90, 120, 150, 240, 300, 330, 600, 900)
LATE_MOMENTS = (0, 15, 30, 60, 75, 90, 120, 240, 300, 330, 600, 900, 1_800, 3_600, 7_200)
SPANS = (30, 120, 240, 600, 900, 1_200, 2_400, 3_600)
SHORT_SPANS = (15, 30, 60, 120)
EVERY = st.sampled_from((1, 1, 1, 2))
# No worker sleeps longer than a function may run; and recording the outcome of a call takes no longer than its lease.
NAPS = st.sampled_from((1, 5, 20, 55))
ALL_WHO: tuple[Who, ...] = get_args(Who)
STEPS: tuple[Who, ...] = ("start", "check", "store", "ask", "create_post", "check_post", "close")

OUTAGES = {
    "create": ("refused", "busy", "lost", "deaf", "denied"),
    "status": ("down",),
    "list": ("down",),
    "download": ("down", "broken"),
    "cancel": ("down",),
    "table": ("down", "deaf"),
    "table writes": ("down",),
    "table echo": ("echo",),
    "bucket": ("down",),
    "bus": ("down", "deaf"),
    "start": ("down", "deaf"),
    "describe": ("down",),
    "stop": ("down",),
    "signal": ("down",),
    "publish": ("refused", "lost", "deaf"),
    "upload": ("down",),
    "post status": ("down", "silent"),
    "post lists": ("down",),
    "post cancel": ("down",),
    "throttle": ("down",),
    **{f"throttle {who}": ("down",) for who in (*STEPS, "sweep", "dispatch", "batch")},
    **{f"break {who}": ("down",) for who in (*STEPS, "batch")},
}
# What the client of the real table hides is not in trouble but where it is asked for.
ALL_OUTAGES = tuple(what for what in OUTAGES if what != "table echo")
ENDS = st.lists(st.sampled_from(("ok", "failed", "failed and charged", "refused")), max_size=2).map(tuple)


@dataclass(frozen=True)
class Theme:
    """A kind of trouble: what it does not name does not happen.

    Attributes:
        outages: edges, or one thing that an edge does: `create/deaf`.
        least: how many outages, accidents and deeds there are at least, of the kinds that there are.
        has_twins: whether requests differ in what no list of a provider shows.
        is_alone: whether it is tried only if a caller asks for it.
    """

    outages: tuple[str, ...] = ()
    accidents: tuple[Who, ...] = ()
    deeds: tuple[DeedKind, ...] = ()
    models: tuple[str, ...] = ("plain-1",)
    has_posts: bool = False
    has_answers: bool = False
    has_pictures: bool = False
    has_fallbacks: bool = False
    has_resubmit: bool = False
    has_limit: bool = False
    has_batch: bool = False
    fails: bool = False
    is_stale: bool = False
    is_verified: bool = False
    wishes_max: int = 2
    slots: tuple[int, ...] = (10,)
    pages: tuple[int, ...] = (100,)
    rates: tuple[int, ...] = (30,)
    spans: tuple[int, ...] = SPANS
    moments: tuple[int, ...] = MOMENTS
    renders: tuple[int, ...] = (20, 60, 300)
    points_max: int = 12
    least: int = 1
    has_twins: bool = False
    is_alone: bool = False
    kinds: tuple[AccidentKind, ...] = get_args(AccidentKind)


def draw_wishes(theme: Theme) -> st.SearchStrategy[Wish]:
    no = st.just(False)
    return st.builds(
        Wish,
        at=st.sampled_from((0, 0, 10, 60, 300)),
        model=st.sampled_from(theme.models),
        size=st.sampled_from(("720x1280", "1280x720")),
        seconds=st.sampled_from((4, 8)),
        is_marked=st.just(theme.has_twins),
        has_picture=st.booleans() if theme.has_pictures else no,
        fallback=st.none() | st.sampled_from(MODELS) if theme.has_fallbacks else st.none(),
        resubmit=st.booleans() if theme.has_resubmit else no,
        render_seconds=st.sampled_from(theme.renders),
        ends=ENDS if theme.fails else st.just(()),
        accounts=st.sampled_from(((), ("101",), ("101", "102"))) if theme.has_posts else st.just(()),
        post_in_minutes=st.sampled_from((None, None, 30, 90)) if theme.has_posts else st.none(),
        is_verified=st.booleans() if theme.is_verified else no,
        answer=st.none() | st.sampled_from(("approve", "edit", "reject", "nothing"))
        if theme.has_answers
        else st.none(),
    )


def draw_histories(theme: Theme) -> st.SearchStrategy[History]:
    moments = st.sampled_from(theme.moments)
    pairs = [pair for name in theme.outages for pair in _list_outages(name)]
    outages = st.tuples(st.sampled_from(pairs or [("", "")]), moments, st.sampled_from(theme.spans), EVERY).map(
        lambda drawn: Outage(what=drawn[0][0], how=drawn[0][1], at=drawn[1], seconds=drawn[2], every=drawn[3])
    )
    accidents = st.builds(
        Accident,
        who=st.sampled_from(theme.accidents or ("start",)),
        at=st.just(0) | moments,
        point=st.integers(1, theme.points_max),
        what=st.sampled_from(theme.kinds),
        seconds=NAPS,
    )
    deeds = st.builds(Deed, what=st.sampled_from(theme.deeds or ("delete",)), at=moments, number=st.integers(0, 2))
    setting = st.builds(
        Setting,
        slots=st.sampled_from(theme.slots),
        page=st.sampled_from(theme.pages),
        limits_stack=st.booleans() if theme.has_limit else st.just(False),
        limit_micros=st.sampled_from((400_000, 800_000, 1_000_000, 2_000_000)) if theme.has_limit else st.none(),
        lag_seconds=st.sampled_from((5, 60, 60)) if theme.is_stale else st.just(0),
        stale=st.sampled_from(((True, False), (False, True), (True, True, False), (True,)))
        if theme.is_stale
        else st.just(()),
        list_lag_seconds=st.sampled_from((0, 60)) if theme.has_posts else st.just(0),
        crash_error=st.sampled_from(("Runtime.ExitError", "Lambda.ServiceException")),
        closes_again_after=st.sampled_from((0, 0, 30, 600)),
        answers_after=st.sampled_from((10, 60, 600)),
        insists=st.booleans(),
        resolves=st.booleans(),
        calls_per_minute=st.sampled_from(theme.rates),
    )
    wishes = st.lists(draw_wishes(theme), min_size=0 if theme.has_batch else 1, max_size=theme.wishes_max).map(_number)
    return st.builds(
        History,
        setting=setting,
        wishes=wishes,
        batch=st.builds(
            Rows,
            at=st.sampled_from((0, 30)),
            rows=st.lists(draw_wishes(theme), min_size=1, max_size=3).map(lambda rows: _number(rows, first=10)),
        )
        if theme.has_batch
        else st.none(),
        outages=st.lists(outages, min_size=theme.least, max_size=3).map(tuple) if theme.outages else st.just(()),
        accidents=st.lists(accidents, min_size=theme.least, max_size=3).map(tuple) if theme.accidents else st.just(()),
        deeds=st.lists(deeds, min_size=theme.least, max_size=2).map(tuple) if theme.deeds else st.just(()),
    )


def _list_outages(name: str) -> list[tuple[str, str]]:
    what, _, how = name.partition("/")
    return [(what, each) for each in OUTAGES[what] if how in ("", each)]


def _number(wishes: list[Wish], *, first: int = 0) -> tuple[Wish, ...]:
    """Tell them apart."""
    return tuple(replace(wish, number=number) for number, wish in enumerate(wishes, start=first))


THEMES: dict[str, Theme] = {
    # No close of a video succeeds.
    "close": Theme(outages=("bus", "table", "throttle close", "break close"), has_posts=True),
    # A render is there, and cannot be fetched or kept.
    "store": Theme(outages=("download", "bucket", "throttle store", "break store"), accidents=("store",)),
    # And then it cannot be closed either.
    "storing": Theme(
        outages=("break store", "bucket", "break close", "throttle close", "table", "bus"),
        accidents=("store",),
        spans=(240, 600, 900, 1_200, 2_400),
        moments=(0, 15, 30, 60, 75, 90, 120, 300, 600),
    ),
    # No answer comes because no call is made.
    "throttles": Theme(
        outages=tuple(f"throttle {who}" for who in STEPS),
        has_posts=True,
        has_answers=True,
        spans=(240, 600, 1_200, 2_400),
    ),
    # Replies are lost, and lists tell what they tell.
    "lists": Theme(
        models=("lists-1", "lists-1", "mute-1"),
        outages=("create/deaf", "create/lost", "list"),
        has_resubmit=True,
        moments=(0, 5, 60),
        spans=(120, 240),
    ),
    # They do not tell everything.
    "twins": Theme(
        models=("lists-1",),
        has_twins=True,
        outages=("create/deaf", "create/lost"),
        moments=(0, 5, 60),
        spans=(30, 120),
        is_alone=True,
    ),
    # A client repeats a write whose answer was lost, and meets its own.
    "echoes": Theme(outages=("table echo",), has_posts=True, has_answers=True, is_alone=True),
    # What the service tells of executions is old.
    "stale": Theme(
        is_stale=True,
        slots=(1,),
        wishes_max=3,
        outages=("throttle start", "break start", "start"),
        accidents=("sweep", "dispatch"),
        renders=(300,),
        moments=(0, 300, 330, 345),
        spans=(60, 120, 600),
    ),
    "reposts": Theme(
        has_posts=True,
        deeds=("repost", "repost what failed"),
        outages=("break create_post", "throttle create_post", "break close", "table"),
        moments=(120, 150, 240, 300, 330, 600, 900),
        spans=(240, 600, 900, 1_200, 2_400),
    ),
    "posts": Theme(
        has_posts=True,
        is_verified=True,
        outages=(
            "publish",
            "upload",
            "post status",
            "post lists",
            "throttle create_post",
            "throttle check_post",
            "break create_post",
            "bus",
        ),
        accidents=("create_post", "check_post", "sweep"),
        deeds=("cancel post", "move post", "resolve", "repost what failed"),
        moments=LATE_MOMENTS,
    ),
    "approval": Theme(
        has_posts=True,
        has_answers=True,
        outages=("throttle ask", "break ask", "signal", "table", "bus"),
        accidents=("ask", "owner", "sweep"),
        deeds=("delete", "abort"),
        moments=LATE_MOMENTS,
    ),
    "money": Theme(
        models=MODELS,
        has_limit=True,
        has_fallbacks=True,
        has_resubmit=True,
        fails=True,
        wishes_max=3,
        outages=("create",),
        accidents=("start", "check"),
    ),
    # A worker sleeps in the middle of it, and its video is deleted.
    "deletes": Theme(
        models=("knows-1", "lists-1"),
        has_posts=True,
        renders=(20, 40_000),
        outages=("publish/refused", "cancel", "stop"),
        accidents=("start", "store", "create_post"),
        kinds=("sleeps", "sleeps and dies", "is cut off"),
        points_max=7,
        deeds=("delete",),
        moments=(0, 5, 15, 30, 45, 60),
        spans=(15, 60, 120),
    ),
    # The owner uses the uploaded media at the publisher by hand.
    "copies": Theme(
        has_posts=True,
        is_verified=True,
        deeds=("post it by hand", "cancel post"),
        moments=(30, 45, 60, 75, 90, 300, 600),
    ),
    # Many wait at once, and an index shows few.
    "crowd": Theme(
        has_posts=True,
        has_batch=True,
        wishes_max=3,
        pages=(1, 2),
        rates=(1, 30),
        deeds=("repost", "repost what failed"),
        outages=("throttle create_post", "post status", "post lists", "break create_post"),
        moments=(60, 120, 300, 600),
    ),
    "pictures": Theme(has_pictures=True, outages=("bucket",), models=("plain-1", "lists-1"), spans=(15, 30, 120, 600)),
    "batches": Theme(
        has_batch=True,
        has_posts=True,
        wishes_max=1,
        slots=(1, 10),
        models=("plain-1", "knows-1"),
        outages=("table", "bus", "bucket", "start", "throttle batch", "break batch", "describe"),
        accidents=("batch", "close", "sweep", "owner"),
        deeds=("cancel batch", "cancel batch and what runs", "delete"),
    ),
    # Nothing is down, and those who work die, sleep and overlap.
    "workers": Theme(
        models=MODELS,
        has_posts=True,
        has_answers=True,
        accidents=(*STEPS, *ALL_WHO),
        points_max=8,
        deeds=("webhook", "resend", "move post"),
    ),
    # Everything is down, but not for long.
    "short": Theme(
        least=0,
        models=MODELS,
        outages=ALL_OUTAGES,
        has_posts=True,
        has_answers=True,
        has_pictures=True,
        has_batch=True,
        has_fallbacks=True,
        fails=True,
        is_stale=True,
        is_verified=True,
        slots=(1, 2, 10),
        pages=(2, 100),
        spans=SHORT_SPANS,
        moments=LATE_MOMENTS,
    ),
    "all": Theme(
        least=0,
        outages=ALL_OUTAGES,
        accidents=ALL_WHO,
        deeds=get_args(DeedKind),
        models=MODELS,
        has_posts=True,
        has_answers=True,
        has_pictures=True,
        has_fallbacks=True,
        has_resubmit=True,
        has_limit=True,
        has_batch=True,
        fails=True,
        is_stale=True,
        is_verified=True,
        renders=(20, 60, 300, 40_000),
        slots=(1, 2, 10),
        pages=(2, 100),
        rates=(2, 30),
        moments=LATE_MOMENTS,
    ),
}
