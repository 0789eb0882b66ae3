// What happened to a video, and who did it. It is asked for when it is opened.
import { useEffect, useState } from "preact/hooks";
import { listEvents } from "../api";
import { nameAccount } from "../accounts";
import { formatTime } from "../format";
import type { Happening, Video } from "../types";
import { nameNetwork } from "./words";

/** What is not said by the name of its type. */
const WORDS: Partial<Record<Happening["type"], string>> = {
  "approval.asked": "Waits for approval",
  "approval.approved": "Approved",
  "approval.rejected": "Rejected",
  "approval.expired": "Not approved in time",
  "post.parked": "Post needs you",
  "post.unknown": "Post needs you",
};

/** Say "Post published" for post.published. */
const say = (type: Happening["type"]) => WORDS[type] ?? (type[0]?.toUpperCase() + type.slice(1)).replace(/[._]/g, " ");

export function History({ video }: { video: Video }) {
  const [isOpen, setOpen] = useState(false);
  const [events, setEvents] = useState<readonly Happening[] | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    if (!isOpen) return;
    const stop = new AbortController();
    setError("");
    listEvents(video.id, stop.signal).then(setEvents, (failure: unknown) => stop.signal.aborted || setError((failure as Error).message));
    return () => stop.abort();
  }, [isOpen, video.status, video.stage]);
  return (
    <details class="history" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>History</summary>
      {error ? (
        <p class="note bad" role="alert" dir="auto">
          {error}
        </p>
      ) : events ? (
        <ol>
          {events.map((event) => (
            <Line key={event.id} event={event} />
          ))}
        </ol>
      ) : (
        <p class="note">Loading…</p>
      )}
    </details>
  );
}

function Line({ event }: { event: Happening }) {
  const { by, door, platform, account_id: account, model, code, comment, edits, scheduled_time: time } = event;
  const where = platform && `${nameNetwork(platform)}${account ? `, ${nameAccount(platform, account)}` : ""}`;
  const more = [where, model, code, time && `for ${formatTime(Date.parse(time) / 1000)}`, edits && `${edits} changed`];
  return (
    <li>
      <span>
        <strong>{say(event.type)}</strong>
        {by && <bdi> by {by.name || by.id}</bdi>}
        {door && door !== "api" && ` (${door === "mcp" ? "MCP" : door})`}
      </span>
      <time>{formatTime(event.created_at)}</time>
      <bdi>{more.filter(Boolean).join(" · ")}</bdi>
      {comment && <q dir="auto">{comment}</q>}
    </li>
  );
}
