// Where a video was posted, or will be, and what can be done about it.
import { useEffect, useState } from "preact/hooks";
import { loadAccounts, nameAccount } from "../accounts";
import { nameOf, postAgain } from "../posting";
import { formatMoment } from "../times";
import type { Post, Video } from "../types";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import "../styles/posts.css";
import { AnotherAccount } from "./AnotherAccount";
import { Resolve, Schedule } from "./PostActions";
import { describePost, nameNetwork } from "./words";

export function Posts({ video }: { video: Video }) {
  const posts = video.posts ?? [];
  const [isAdding, setAdding] = useState(false);
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState("");
  useEffect(() => {
    if (posts.length) loadAccounts();
  }, [posts.length]);
  // While it is being posted, and before it is stored, the API takes no further posts.
  const canPost = video.stage === "done" && video.status === "completed" && video.links !== null;
  if (!posts.length && !canPost) return null;
  const failed = posts.filter((post) => post.status === "failed").length;
  const repeat = async () => {
    setSending(true);
    setError("");
    await postAgain(video).catch((failure: unknown) => setError((failure as Error).message));
    setSending(false);
  };
  return (
    <section aria-label="Posts">
      <h3>Posts</h3>
      {posts.length > 0 && (
        <ul class="posts">
          {posts.map((post) => (
            <PostLine key={nameOf(post)} post={post} />
          ))}
        </ul>
      )}
      {error && (
        <p class="note bad" role="alert" dir="auto">
          {error}
        </p>
      )}
      {canPost && !isAdding && (
        <div class="row">
          {failed > 0 && (
            <Button class="small" isBusy={isSending} onClick={() => void repeat()}>
              {failed > 1 ? `Send ${failed} failed posts again` : "Send the failed post again"}
            </Button>
          )}
          <Button class="small" onClick={() => setAdding(true)}>
            {posts.length ? "Post to another account" : "Post this video"}
          </Button>
        </div>
      )}
      {canPost && isAdding && <AnotherAccount video={video} onClose={() => setAdding(false)} />}
    </section>
  );
}

const ADVICE: Partial<Record<Post["status"], string>> = {
  in_doubt: "Blotato did not answer. The stack looks for the post, and goes on by itself.",
  parked: "It may be public. Look at the network, then say what you see there.",
  unknown: "It may be public. Look at the network, then say what you see there.",
};

function PostLine({ post }: { post: Post }) {
  const { label, tone } = describePost(post);
  const isLink = post.url?.startsWith("https://") ?? false;
  const isInDoubt = post.status === "parked" || post.status === "unknown";
  return (
    <li>
      <p>
        <strong>{nameNetwork(post.platform)}</strong>
        <span class="account" dir="auto">
          {nameAccount(post.platform, post.account_id)}
        </span>
        <span class={`badge ${tone}`}>{label}</span>
        {isLink && (
          <a href={post.url!} target="_blank" rel="noopener noreferrer">
            Open <Icon name="external" size={14} />
          </a>
        )}
      </p>
      {post.text && (
        <p class="note" dir="auto">
          {post.text}
        </p>
      )}
      {post.error && (
        <p class={tone === "bad" ? "note bad" : "note"} dir="auto">
          {post.error.message}
        </p>
      )}
      {ADVICE[post.status] && <p class="note">{ADVICE[post.status]}</p>}
      {post.status === "scheduled" && post.scheduled_time && (
        <>
          <p class="note">Goes out {formatMoment(new Date(post.scheduled_time))}</p>
          <Schedule post={post} />
        </>
      )}
      {isInDoubt && <Resolve post={post} />}
    </li>
  );
}
