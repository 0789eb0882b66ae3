// Posts of videos: what is asked of the API about them, and what the page keeps of its answers.
import { computed, effect, signal } from "@preact/signals";
import { forgetAccounts } from "./accounts";
import { ApiError, call, listVideos, readVideo } from "./api";
import { key } from "./session";
import { findVideo, forget, hasten, isListed, keep, refresh, waitingForYou } from "./store";
import type { List, Post, Video } from "./types";

const WAITING_MAX = "100";
/** The library comes first: what waits is counted a moment after it. */
const COUNT_DELAY_MS = 1_500;
const SCHEDULES_PAGE = "100";

/** Name a post within all videos. */
export const nameOf = (post: Post): string => `${post.video_id} ${post.platform} ${post.account_id}`;

const postPath = (post: Post): string =>
  ["/videos", post.video_id, "posts", post.platform, post.account_id].map((part, at) => (at ? encodeURIComponent(part) : part)).join("/");

// Approvals.

/** What waits for a person: first what ends first. */
export const waiting = computed(() =>
  [...waitingForYou.value].sort((one, other) => (one.approval?.expires_at ?? Infinity) - (other.approval?.expires_at ?? Infinity)),
);
export const isWaitingListed = signal(false);

/** List what waits. What waited and is not in the list was decided elsewhere, or deleted: its record tells. */
export async function listWaiting(): Promise<void> {
  const list = await listVideos({ stage: "awaiting_approval", include: "posts", limit: WAITING_MAX });
  const listed = new Set(list.data.map((video) => video.id));
  const gone = list.has_more ? [] : waitingForYou.value.filter((video) => !listed.has(video.id));
  keep(list.data);
  isWaitingListed.value = true;
  for (const { id } of gone) await refresh(id).catch((error: unknown) => (error as ApiError).status === 404 && forget(id));
}

/** Captions that were changed and not sent yet. */
export const typed = signal<Readonly<Record<string, string>>>({});

/** Count what waits, for the header and the tab's title; and keep nothing of one key for another. */
export function startPosting(): void {
  effect(() => {
    if (key.value) {
      if (isListed.value) setTimeout(() => key.value && void listWaiting().catch(() => undefined), COUNT_DELAY_MS);
      return;
    }
    forgetAccounts();
    schedules.value = null;
    isWaitingListed.value = false;
    typed.value = movedFrom.value = {};
  });
}

export const listCaptions = (posts: readonly Post[]) =>
  posts.flatMap((post) => {
    const text = typed.value[nameOf(post)];
    return text === undefined || text === post.text ? [] : [{ platform: post.platform, account_id: post.account_id, text }];
  });

/**
 * Approve a video, perhaps with other captions, or reject it. The first decision counts, so this is sent once.
 * When no answer came, or another decision was first, the record tells. True if this decision is the one.
 */
export async function decide(video: Video, decision: "approve" | "reject", captions: ReturnType<typeof listCaptions>): Promise<boolean> {
  const body = captions.length ? { decision, edits: { captions } } : { decision };
  try {
    keep([await call<Video>(`/videos/${video.id}/approval`, { method: "POST", body })]);
    hasten();
    return true;
  } catch (error) {
    await refresh(video.id).catch(() => undefined);
    const after = findVideo(video.id);
    if (!after || after.stage === "awaiting_approval") throw error;
    const isLost = (error as ApiError).status === 0 || (error as ApiError).status >= 500;
    return isLost && after.approval?.status === (decision === "approve" ? "approved" : "rejected");
  }
}

// Posting again.

interface Again {
  publish?: readonly { platform: string; account_id: string }[];
  text?: string;
}

/**
 * Send the posts that failed again, or post to more accounts. A post is public, so this is sent once. When no answer
 * came, the record tells whether it was taken, before anyone can press again.
 */
export async function postAgain(video: Video, body: Again = {}): Promise<void> {
  const before = await readVideo(video.id);
  try {
    keep([await call<Video>(`/videos/${video.id}/posts`, { method: "POST", body })]);
  } catch (error) {
    const { status } = error as ApiError;
    const after = await readVideo(video.id).catch(() => null);
    if (after) keep([after]);
    if (status > 0 && status < 500) throw error;
    if (!after) throw new ApiError(status, "No answer came, and the video cannot be read. It may have been posted: open it again and look at its posts first.");
    if (after.stage !== "publishing" && !hasChanged(before, after, body)) throw error;
  }
  hasten();
}

/** Tell whether a post that was asked for is another than it was. */
function hasChanged(before: Video, after: Video, { publish }: Again): boolean {
  const asked = publish ?? before.posts.filter(({ status }) => status === "failed");
  const show = ({ posts }: Video) =>
    JSON.stringify(posts.filter((post) => asked.some((each) => each.platform === post.platform && each.account_id === post.account_id)));
  return show(before) !== show(after);
}

/** Say what was seen at the network of a post in doubt. */
export async function resolve(post: Post, seen: { outcome: "posted"; url: string } | { outcome: "send_again" }): Promise<void> {
  keep([await call<Video>(`${postPath(post)}/resolve`, { method: "POST", body: seen })]);
  hasten();
}

// Scheduled posts.

export const schedules = signal<readonly Post[] | null>(null);
export const moreSchedules = signal<string | null>(null);
/** Where a post was before it was moved, for undoing that. */
export const movedFrom = signal<Readonly<Record<string, string>>>({});

/** List the scheduled posts, or the next page of them; and the videos that they are of. */
export async function listSchedules(after?: string): Promise<void> {
  const query = { limit: SCHEDULES_PAGE, ...(after && { after }) };
  const list = await call<List<Post>>("/schedules", { query });
  schedules.value = after ? [...(schedules.value ?? []), ...list.data] : list.data;
  moreSchedules.value = list.has_more ? list.last_id : null;
  const unknown = [...new Set(list.data.map((post) => post.video_id))].filter((id) => !findVideo(id));
  if (unknown.length) keep((await listVideos({ ids: unknown.join(",") })).data);
}

/** Move a scheduled post; sending it again changes nothing. */
export async function move(post: Post, time: string): Promise<void> {
  keepPost(await call<Post>(postPath(post), { method: "PATCH", body: { scheduled_time: time } }));
}

/** Cancel a scheduled post. */
export async function cancel(post: Post): Promise<void> {
  keepPost(await call<Post>(postPath(post), { method: "DELETE" }));
}

function keepPost(post: Post): void {
  const video = findVideo(post.video_id);
  const put = (posts: readonly Post[]) => posts.map((known) => (nameOf(known) === nameOf(post) ? post : known));
  if (video?.posts) keep([{ ...video, posts: put(video.posts) }]);
  if (schedules.value)
    schedules.value = put(schedules.value)
      .filter(({ status }) => status === "scheduled")
      .sort((one, other) => Date.parse(one.scheduled_time!) - Date.parse(other.scheduled_time!));
}
