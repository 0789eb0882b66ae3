// What happened to a video, and who did it. It is asked for when it is opened.
import { useEffect, useState } from "preact/hooks";
import { listEvents } from "../api";
import { nameAccount } from "../accounts";
import { formatTime } from "../format";
import type { Happening, Video } from "../types";
import { nameNetwork } from "./words";

const WORDS: Record<Happening["type"], string> = {
  "video.created": "Asked for",
  "model.tried": "Sent to the model",
  "model.failed": "The model failed",
  "video.stored": "Stored",
  "video.failed": "Failed",
  "video.cancelled": "Cancelled",
  "video.retried": "Tried again",
  "video.deleted": "Deleted",
  "approval.asked": "Waits for approval",
  "approval.approved": "Approved",
  "approval.rejected": "Rejected",
  "approval.expired": "Not approved in time",
  "posts.requested": "Posts asked for",
  "post.submitted": "Post sent",
  "post.scheduled": "Post scheduled",
  "post.moved": "Post moved",
  "post.published": "Published",
  "post.failed": "Post failed",
  "post.in_doubt": "Post in doubt",
  "post.parked": "Post needs you",
  "post.unknown": "Post needs you",
  "post.cancelled": "Post cancelled",
};

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
        <strong>{WORDS[event.type]}</strong>
        {by && <bdi> by {by.name || by.id}</bdi>}
        {door && door !== "api" && ` (${door === "mcp" ? "MCP" : door})`}
      </span>
      <time>{formatTime(event.created_at)}</time>
      <bdi>{more.filter(Boolean).join(" · ")}</bdi>
      {comment && <q dir="auto">{comment}</q>}
    </li>
  );
}
