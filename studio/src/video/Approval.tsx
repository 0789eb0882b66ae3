// The question whether a video may be posted: its captions, which can be changed, and the two answers.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { minute } from "../clock";
import { formatTime } from "../format";
import { loadAccounts, nameAccount } from "../accounts";
import { decide, listCaptions, nameOf, typed } from "../posting";
import { describeLeft, formatMoment } from "../times";
import type { Post, Video } from "../types";
import { Button } from "../ui/Button";
import { confirm } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { say } from "../ui/Toast";
import "../styles/posts.css";
import { Posts } from "./Posts";
import { nameNetwork } from "./words";

/** A card that has just come up cannot be decided by the second half of a double press. */
const SETTLE_MS = 700;

interface ApprovalProps {
  video: Video;
  /** It came up by itself after another one. */
  isNext?: boolean;
  onDecided?: () => void;
}

export function Approval({ video, isNext = false, onDecided = () => undefined }: ApprovalProps) {
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const [isSettled, setSettled] = useState(!isNext);
  useEffect(() => {
    loadAccounts();
    const timer = setTimeout(() => setSettled(true), SETTLE_MS);
    return () => clearTimeout(timer);
  }, []);
  const { approval } = video;
  if (video.stage !== "awaiting_approval") return <Decided video={video} />;
  const posts = (video.posts ?? []).filter((post) => post.status === "pending");
  const left = approval ? approval.expires_at - minute.value / 1000 : 1;
  const captions = listCaptions(posts);
  // `edits.captions[0].text` is about the first of those that were sent.
  const at = /^edits\.captions\[(\d+)\]/.exec(error?.param ?? "")?.[1];
  const refused = at === undefined ? undefined : captions[Number(at)];

  const send = async (decision: "approve" | "reject") => {
    const question = "Nothing is posted. The video stays in your library. The first decision is final.";
    if (decision === "reject" && !(await confirm("Reject this video?", question, "Reject"))) return;
    setBusy(decision);
    setError(null);
    try {
      if (!(await decide(video, decision, decision === "approve" ? captions : []))) return;
      say(decision === "approve" ? "Approved. It is being posted." : "Rejected. Nothing is posted.");
      onDecided();
    } catch (failure) {
      setError(failure as ApiError);
    } finally {
      setBusy("");
    }
  };

  return (
    <section class="approval" aria-label="Approval">
      {approval && (
        <p class={left < 3600 ? "deadline soon" : "deadline"}>
          {left > 0 ? `${describeLeft(left)} left to decide, until ${formatTime(approval.expires_at)}` : `The time to decide ended ${formatTime(approval.expires_at)}. Nothing is posted.`}
        </p>
      )}
      {posts.map((post) => (
        <Caption
          key={nameOf(post)}
          post={post}
          error={refused && refused.platform === post.platform && refused.account_id === post.account_id ? error!.message.replace(/^[^:]*: (text: )?/, "") : ""}
        />
      ))}
      <div class="decide">
        {error && !refused && (
          <p class="note bad" role="alert" dir="auto">
            {error.message}
          </p>
        )}
        <Button look="danger" disabled={!approval || left <= 0 || !isSettled} isBusy={busy !== ""} onClick={() => void send("reject")}>
          Reject
        </Button>
        <Button look="primary" icon="check" disabled={!posts.length || left <= 0 || !isSettled} isBusy={busy !== ""} onClick={() => void send("approve")}>
          {captions.length ? "Approve with changes" : posts.length > 1 ? `Approve ${posts.length} posts` : "Approve and post"}
        </Button>
      </div>
    </section>
  );
}

function Caption({ post, error }: { post: Post; error: string }) {
  const name = nameOf(post);
  const text = typed.value[name] ?? post.text;
  const change = (next: string) => (typed.value = { ...typed.value, [name]: next });
  const time = post.scheduled_time ? `Goes out ${formatMoment(new Date(post.scheduled_time))}` : "Goes out once approved";
  const field = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (error) field.current?.querySelector("textarea")?.focus();
  }, [error]);
  return (
    <div class="wording" ref={field}>
      <Field label={`${nameNetwork(post.platform)} · ${nameAccount(post.platform, post.account_id)}`} error={error} hint={time}>
        <textarea rows={2} dir="auto" value={text} onInput={(event) => change(event.currentTarget.value)} />
      </Field>
      {text !== post.text && (
        <Button look="quiet" class="back" onClick={() => change(post.text)} aria-label={`Undo the changes of the caption for ${nameNetwork(post.platform)}`}>
          Undo
        </Button>
      )}
    </div>
  );
}

const DECISIONS = {
  approved: ["Already approved", "The first decision counts: it was approved"],
  rejected: ["Already rejected", "Nothing was posted: it was rejected"],
  expired: ["Too late", "Nothing was posted: the time to decide ended"],
} as const;

/** A decision that was made elsewhere, or earlier. */
function Decided({ video: { approval, ...video } }: { video: Video }) {
  if (!approval || approval.status === "waiting") return null;
  const [title, text] = DECISIONS[approval.status];
  return (
    <section class="approval" aria-label="Approval">
      <div class="decided" role="status">
        <h3>{title}</h3>
        <p>
          {text} {formatTime(approval.decided_at ?? approval.expires_at)}.
        </p>
      </div>
      <Posts video={{ ...video, approval }} />
    </section>
  );
}
