// What waits for a person: one card at a time, made for a phone. Opening a link decides nothing.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { formatMoney } from "../format";
import { isWaitingListed, listWaiting, waiting } from "../posting";
import { go, link, openApprovalId } from "../route";
import { findVideo, refresh } from "../store";
import type { Video } from "../types";
import { Button, IconButton } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Approval } from "../video/Approval";
import { Player } from "../video/Player";

/** Other people and other tabs decide, too. */
const LIST_EVERY_MS = 15_000;
const listError = signal("");
const list = () => listWaiting().then(() => (listError.value = ""), (error: unknown) => (listError.value = (error as Error).message));

const show = (video: Video | undefined) => go(video ? `/approvals/${video.id}` : "/approvals", { replace: true });

export function Approvals() {
  const id = openApprovalId.value;
  const queue = waiting.value;
  const isListed = isWaitingListed.value;
  const [missing, setMissing] = useState("");
  /** The card that came up by itself after a decision. */
  const next = useRef("");
  useEffect(() => {
    void list();
    const look = () => document.hidden || void list();
    const timer = setInterval(look, LIST_EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => (clearInterval(timer), document.removeEventListener("visibilitychange", look));
  }, []);
  useEffect(() => {
    setMissing("");
    if (id && !findVideo(id)?.approval) refresh(id).catch((error: unknown) => setMissing((error as Error).message));
  }, [id]);
  useEffect(() => {
    // The address names the card, so that what others decide does not put another in its place.
    if (!id && isListed && queue[0]) show(queue[0]);
  }, [id, isListed, queue[0]?.id]);

  const video = id ? findVideo(id) : undefined;
  const at = queue.findIndex((one) => one.id === id);
  const after = queue[at + 1] ?? queue.find((one) => one.id !== id);
  const goOn = () => {
    next.current = after?.id ?? "";
    show(after);
  };
  return (
    <section class="approvals" aria-label="Approvals">
      <div class="heading">
        <h1>Approvals</h1>
        {queue.length > 0 && <p role="status">{at < 0 || queue.length === 1 ? countWaiting(queue.length) : `${at + 1} of ${queue.length}`}</p>}
        {at >= 0 && queue.length > 1 && (
          <>
            <IconButton icon="left" label="The one before" disabled={at === 0} onClick={() => show(queue[at - 1])} />
            <IconButton icon="right" label="The next one" disabled={at === queue.length - 1} onClick={() => show(queue[at + 1])} />
          </>
        )}
      </div>
      {video?.approval ? (
        <Card key={video.id} video={video} isNext={next.current === video.id} onDecided={goOn} onNext={after && goOn} />
      ) : id && !missing ? (
        <div class="ask skeleton" />
      ) : (
        <Nothing reason={missing || (id ? "" : listError.value)} after={after} />
      )}
    </section>
  );
}

const countWaiting = (count: number) => (count === 1 ? "One waits for you" : `${count} wait for you`);

function Nothing({ reason, after }: { reason: string; after: Video | undefined }) {
  if (!reason && !isWaitingListed.value) return <div class="ask skeleton" />;
  return reason ? (
    <EmptyState icon="warning" title="This cannot be shown">
      <p dir="auto">{reason}</p>
      <Button onClick={() => (show(after), void list())}>{after ? "Show what waits" : "Try again"}</Button>
    </EmptyState>
  ) : (
    <EmptyState icon="check" title="Nothing waits for you">
      <p>Videos whose posts need an approval appear here.</p>
    </EmptyState>
  );
}

interface CardProps {
  video: Video;
  isNext: boolean;
  onDecided: () => void;
  onNext: (() => void) | undefined;
}

function Card({ video, isNext, onDecided, onNext }: CardProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!isNext) return;
    scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  const path = `/videos/${video.id}`;
  return (
    <article class="ask">
      <div class="watch">
        <Player video={video} />
      </div>
      <div class="say">
        <h2 ref={heading} tabIndex={-1} dir="auto">
          {video.prompt.slice(0, 300)}
        </h2>
        <p class="note">
          {formatMoney(video.cost_usd ?? video.cost_estimate_usd)} · {Number(video.seconds)} s · {video.resolved_model} ·{" "}
          <a href={link(path)} onClick={(event) => (event.preventDefault(), go(path))}>
            Details
          </a>
        </p>
        <Approval video={video} isNext={isNext} onDecided={onDecided} />
        {video.stage !== "awaiting_approval" && onNext && <Button onClick={onNext}>Show what waits</Button>}
      </div>
    </article>
  );
}
