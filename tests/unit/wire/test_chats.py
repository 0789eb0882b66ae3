"""Messages for people: in the shape of each chat, within its limits, and a stranger's text stays text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.events import BudgetEvent, PostEvent
from mediaposter.wire.chats import (
    ChatAddress,
    Message,
    count_units,
    find_chat,
    hide_secret,
    write_event,
    write_question,
)
from mediaposter.wire.questions import CAPTIONS_SHOWN, Caption, Question, write_email
from tests.builders import NOW, OWNER, VIDEO_ID

SLACK = ChatAddress("slack", "https://hooks.slack.com/services/T0/B0/s3cret")
TELEGRAM = ChatAddress("telegram", "https://api.telegram.org/bot7:s3cret", "-100200/7")
LINK = f"https://api.example/v1/studio#/approvals/{VIDEO_ID}"
PICTURE = "https://bucket.example/videos/video_1/spritesheet.jpg?a=1&b=2"
HOSTILE = "<!channel> *bold* :fire: <https://evil.example|Approve> & </b>\u202eevil\x07"


def a_question(**changes: Any) -> Question:
    fields = {
        "video_id": VIDEO_ID,
        "prompt": "A red kite",
        "captions": (Caption("linkedin:902", "For our friends."), Caption("twitter:901", "A kite!")),
        "price_usd": "0.40",
        "expires_at": NOW + timedelta(days=1),
        "approval_url": LINK,
        "picture_url": PICTURE,
    }
    return Question.model_validate({**fields, **changes})


def read(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(message.content)
    return document


def blocks_of(question: Question, **options: Any) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = read(write_question(SLACK, question, **options))["blocks"]
    return blocks


def texts_of(question: Question) -> list[str]:
    return [block["text"]["text"] for block in blocks_of(question) if "text" in block]


def test_a_slack_message_has_the_link_the_price_each_caption_and_a_picture() -> None:
    _, facts, *sections = texts_of(a_question())

    assert facts.startswith(f"*<{LINK}|Look at it and decide>*")
    assert "*Price:* $0.40" in facts
    assert sections == ["Prompt\nA red kite", "linkedin:902\nFor our friends.", "twitter:901\nA kite!"]
    assert blocks_of(a_question())[-1] == {"type": "image", "image_url": PICTURE, "alt_text": "Frames of the video"}


def test_slack_shows_a_strangers_text_as_text() -> None:
    question = a_question(prompt=HOSTILE, captions=(Caption("twitter:901", HOSTILE),))
    message = read(write_question(SLACK, question))

    strange = [block["text"] for block in message["blocks"] if block["type"] == "section"][1:]
    assert {text["type"] for text in strange} == {"plain_text"}
    assert {text["emoji"] for text in strange} == {False}
    escaped = "&lt;!channel&gt; *bold* :fire: &lt;https://evil.example|Approve&gt; &amp; &lt;/b&gt;evil"
    assert [text["text"].partition("\n")[2] for text in strange] == [escaped, escaped]
    assert "evil" not in message["text"]


def test_slack_is_told_how_many_captions_are_not_shown() -> None:
    captions = tuple(Caption(f"twitter:{number}", "A kite") for number in range(CAPTIONS_SHOWN + 2))

    assert "And 2 more." in texts_of(a_question(captions=captions, picture_url=None))


def test_a_picture_that_slack_cannot_fetch_is_left_out() -> None:
    here = a_question(picture_url="http://127.0.0.1:4600/files?key=1")

    assert "image" not in {block["type"] for block in blocks_of(here)}
    assert "image" not in {block["type"] for block in blocks_of(a_question(), has_picture=False)}


def test_a_telegram_message_is_plain_text_with_the_link_first() -> None:
    message = write_question(TELEGRAM, a_question())

    assert message.path == "/sendMessage"
    body = read(message)
    assert (body["chat_id"], body["message_thread_id"]) == ("-100200", 7)
    assert "parse_mode" not in body
    assert body["text"].split("\n\n") == [
        "A video waits for your approval: 2 posts, $0.40.",
        f"Look at it and decide: {LINK}",
        "Until 2026-12-02 12:00 UTC",
        "Prompt: A red kite",
        "linkedin:902:\nFor our friends.",
        "twitter:901:\nA kite!",
    ]


def test_a_short_telegram_message_comes_with_the_picture_itself() -> None:
    message = write_question(TELEGRAM, a_question(), picture=b"\xff\xd8frames")

    assert message.path == "/sendPhoto"
    assert message.content_type.startswith("multipart/form-data; boundary=")
    assert (
        b'name="photo"; filename="frames.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8frames\r\n' in message.content
    )
    assert LINK.encode() in message.content


def test_a_long_telegram_message_shows_the_picture_by_its_link() -> None:
    question = a_question(captions=(Caption("linkedin:902", "x" * 1_024),))
    message = write_question(TELEGRAM, question, picture=b"\xff\xd8")

    assert message.path == "/sendMessage"
    assert read(message)["link_preview_options"]["url"] == PICTURE
    again = read(write_question(TELEGRAM, question, has_picture=False))
    here = read(write_question(TELEGRAM, question.model_copy(update={"picture_url": "http://127.0.0.1:4600/files"})))
    assert again["link_preview_options"] == here["link_preview_options"] == {"is_disabled": True}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400).map(lambda text: text * 12)


@given(st.lists(TEXTS, max_size=30), TEXTS)
def test_no_text_makes_a_message_that_a_chat_refuses(texts: list[str], prompt: str) -> None:
    captions = tuple(Caption(f"linkedin:{number}", text) for number, text in enumerate(texts))
    question = a_question(prompt=prompt, captions=captions)

    shown = texts_of(question)
    assert max(map(len, shown)) <= 3_000
    assert sum(map(len, shown)) <= 13_000
    assert len(blocks_of(question)) <= 50
    assert all(text.strip() for text in shown)
    written = read(write_question(TELEGRAM, question))["text"]
    assert count_units(written) <= 4_096
    assert LINK in written
    photo = write_question(TELEGRAM, question, picture=b"")
    assert photo.path == "/sendMessage" or count_units(written) <= 1_024


def test_an_email_has_the_captions_the_price_and_the_link_and_a_subject_that_sns_takes() -> None:
    subject, text = write_email(a_question(prompt=f"A kite\r\nBcc: {HOSTILE}"))

    assert subject == "A video waits for your approval: 2 posts, $0.40"
    assert subject.isascii()
    assert "linkedin:902:\nFor our friends.\n\ntwitter:901:\nA kite!" in text
    assert LINK in text
    assert "\u202e" not in text


def test_without_a_page_a_command_decides() -> None:
    question = a_question(approval_url=None)

    assert f"mediaposter approve {VIDEO_ID}" in texts_of(question)[1]
    assert f"mediaposter approve {VIDEO_ID}" in read(write_question(TELEGRAM, question))["text"]
    assert f"mediaposter approve {VIDEO_ID}" in write_email(question)[1]


@pytest.mark.parametrize(
    ("url", "chat"),
    [
        ("https://hooks.slack.com/services/T0/B0/s3cret", SLACK),
        ("https://api.telegram.org/bot7:s3cret/sendMessage?chat_id=-100200&message_thread_id=7", TELEGRAM),
        ("https://api.telegram.org/bot7:s3cret/sendMessage?chat_id=@kites", TELEGRAM._replace(chat_id="@kites")),
        ("https://api.telegram.org/bot7:s3cret/sendMessage", None),
        ("https://hooks.slack.com.evil.example/services/T0/B0/s3cret", None),
        ("https://hooks.slack.com@evil.example/services/T0", None),
        ("http://hooks.slack.com/services/T0/B0/s3cret", None),
        ("https://hooks.example/services/T0", None),
        ("https://bots.example/bot7:s3cret/sendMessage?chat_id=1", None),
        ("http://api.telegram.org/bot7:s3cret/sendMessage?chat_id=1", None),
        ("https://[", None),
    ],
)
def test_a_chat_is_known_by_its_address(url: str, chat: ChatAddress | None) -> None:
    assert find_chat(url) == chat


def test_an_address_shows_no_secret() -> None:
    assert "s3cret" not in f"{SLACK!r} {TELEGRAM}"
    assert hide_secret(SLACK.url) == "https://hooks.slack.com/…"
    assert hide_secret("https://hooks.example/a?b=c") == "https://hooks.example/a?b=c"


def test_another_event_is_one_sentence() -> None:
    event = PostEvent(
        type="post.published",
        video_id=VIDEO_ID,
        owner=OWNER,
        occurred_at=NOW,
        platform="twitter",
        account_id="101",
        url="https://x.example/?a=1&b=<2>",
    )

    assert read(write_event(SLACK, event))["text"] == (
        "The post of video_1 on twitter:101 is public: https://x.example/?a=1&amp;b=&lt;2&gt;"
    )
    told = read(write_event(TELEGRAM, event))["text"]
    assert told == "The post of video_1 on twitter:101 is public: https://x.example/?a=1&b=<2>"


def test_a_warning_of_a_limit_says_whose_it_is_and_when_it_renews() -> None:
    event = BudgetEvent(
        owner=OWNER,
        occurred_at=NOW,
        scope="key",
        period="month",
        period_name="2026-12",
        limit_usd="10",
        used_usd="8.1",
        renews_at=datetime(2027, 1, 1, tzinfo=UTC),
    )

    assert read(write_event(SLACK, event))["text"] == (
        "$8.1 of $10 for 2026-12 are used up by your keys. The limit renews at 2027-01-01 00:00 UTC."
    )
