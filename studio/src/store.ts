// The videos that the page knows, and how they are kept up to date.
import { computed, effect, signal } from "@preact/signals";
import { deleteVideo, listVideos, readVideo, trouble } from "./api";
import { takeTurn } from "./pace";
import { route } from "./route";
import { key } from "./session";
import type { Video } from "./types";
import { isRunning, isWaitingForYou } from "./video/words";

const PAGE_SIZE = 40;
/** What the API takes in one `ids`. */
const IDS_MAX = 50;
const POLL_MIN_MS = 2_000;
const POLL_MAX_MS = 15_000;
/** A link is used until a minute before it expires. */
const LINK_MARGIN_SECONDS = 60;

const byId = signal<ReadonlyMap<string, Video>>(new Map());
const order = signal<readonly string[]>([]);

/** The list of the address's filters, newest first. */
export const videos = computed(() => order.value.flatMap((id) => byId.value.get(id) ?? []));
export const isListed = signal(false);
/** Why the list of these filters is not there, and why the next page of it is not. */
export const listError = signal("");
export const moreError = signal("");
export const hasMore = signal(false);
/** How many videos became ready while the tab was not looked at. */
export const readyUnseen = signal(0);
export const running = computed(() => [...byId.value.values()].filter(isRunning));
export const runningCount = computed(() => running.value.length);
export const waitingForYou = computed(() => [...byId.value.values()].filter(isWaitingForYou));

export const findVideo = (id: string): Video | undefined => byId.value.get(id);

/** Keep what the API answered. A link that still holds stays, or pictures would be loaded again at each answer. */
export function keep(answered: readonly Video[]): void {
  const next = new Map(byId.value);
  for (const video of answered) {
    const known = next.get(video.id);
    const links = known?.links && video.links && !isStale(known) ? known.links : video.links;
    if (document.hidden && known && isRunning(known) && !isRunning(video)) readyUnseen.value++;
    // Lists leave out posts and approvals; a video never loses those it has.
    const posts = video.posts.length || !known ? video.posts : known.posts;
    next.set(video.id, { ...video, links, posts, approval: video.approval ?? known?.approval ?? null });
  }
  byId.value = next;
}

/** Put a video that was just made at the top, whatever the list's filters are. */
export function addFirst(video: Video): void {
  keep([video]);
  order.value = [video.id, ...order.value.filter((id) => id !== video.id)];
  hasten();
}

export const isStale = (video: Video): boolean =>
  !!video.links && video.links.expires_at - LINK_MARGIN_SECONDS < Date.now() / 1000;

// The list.

const FILTERS = ["status", "model", "batch_id", "prompt", "stage"] as const;

/** The day of the address, if it is one. */
export const day = computed(() => {
  const asked = route.value.query.get("day") ?? "";
  return isDay(asked) ? asked : "";
});

/** Whether a text is a day, as 2026-11-30. One that is being typed has years such as 0002. */
export const isDay = (text: string): boolean => /^2\d{3}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));

/** The filters of the address, as the API takes them. A day is one of this place. */
export const filters = computed(() => {
  const query: Record<string, string> = {};
  for (const name of FILTERS) {
    const value = route.value.query.get(name);
    if (value) query[name] = value;
  }
  if (day.value) {
    const [begin, end] = [new Date(`${day.value}T00:00`), new Date(`${day.value}T00:00`)];
    end.setDate(end.getDate() + 1);
    query.created_after = String(begin.getTime() / 1000);
    query.created_before = String(end.getTime() / 1000);
  }
  return query;
});

let listing: AbortController | null = null;

/** List the newest videos of the filters, in place of what is listed. */
export async function listFirst(): Promise<void> {
  listing?.abort();
  const { signal: aborted } = (listing = new AbortController());
  try {
    const page = await listVideos({ ...filters.value, limit: String(PAGE_SIZE) }, aborted);
    lastPollAt = Date.now();
    keep(page.data);
    order.value = page.data.map((video) => video.id);
    hasMore.value = page.has_more;
    listError.value = moreError.value = "";
    isListed.value = true;
    void lookUpPosts(page.data);
  } catch (error) {
    if (!aborted.aborted) listError.value = (error as Error).message;
  } finally {
    if (listing?.signal === aborted) listing = null;
  }
}

/** List the next page. */
export async function listMore(): Promise<void> {
  const last = order.value.at(-1);
  if (listing || !hasMore.value || !last) return;
  const { signal: aborted } = (listing = new AbortController());
  moreError.value = "";
  try {
    const page = await listVideos({ ...filters.value, limit: String(PAGE_SIZE), after: last }, aborted);
    keep(page.data);
    order.value = [...new Set([...order.value, ...page.data.map((video) => video.id)])];
    hasMore.value = page.has_more;
    void lookUpPosts(page.data);
  } catch (error) {
    if (!aborted.aborted) moreError.value = (error as Error).message;
  } finally {
    if (listing?.signal === aborted) listing = null;
  }
}

/** Ask for the posts of finished videos, which their cards name and a list leaves out. */
async function lookUpPosts(listed: readonly Video[]): Promise<void> {
  const ids = listed.filter(({ id, stage }) => stage === "done" && !findVideo(id)?.posts.length).map(({ id }) => id);
  // A card without a word is no reason to say so.
  if (ids.length) await listVideos({ ids: ids.join(","), include: "posts" }).then((list) => keep(list.data), () => undefined);
}

/** Read one video, with its posts. */
export async function refresh(id: string): Promise<void> {
  keep([await readVideo(id)]);
}

/** Remove a video; one that renders is stopped. */
export async function remove(id: string): Promise<void> {
  await deleteVideo(id);
  forget(id);
}

/** Drop a video that is no longer there. */
export function forget(id: string): void {
  order.value = order.value.filter((listed) => listed !== id);
  const next = new Map(byId.value);
  next.delete(id);
  byId.value = next;
}

// What runs is asked for again and again: one call for all of it, only while the tab is visible.

let timer: ReturnType<typeof setTimeout> | undefined;
let delay = POLL_MIN_MS;
let lastPollAt = 0;

async function poll(): Promise<void> {
  await takeTurn();
  lastPollAt = Date.now();
  const ids = running.value.slice(0, IDS_MAX).map((video) => video.id);
  const before = JSON.stringify(running.value.map(({ id, stage, progress }) => [id, stage, progress]));
  // It is asked for again anyway.
  await listVideos({ ids: ids.join(","), include: "posts" }).then((list) => keep(list.data), () => undefined);
  const after = JSON.stringify(running.value.map(({ id, stage, progress }) => [id, stage, progress]));
  delay = before === after ? Math.min(delay * 1.25, POLL_MAX_MS) : POLL_MIN_MS;
  schedule();
}

function schedule(): void {
  clearTimeout(timer);
  if (!key.value || document.hidden || !running.value.length) return;
  timer = setTimeout(() => void poll(), Math.max(delay - (Date.now() - lastPollAt), 0));
}

/** Ask soon: something has just changed. */
export function hasten(): void {
  delay = POLL_MIN_MS;
  schedule();
}

/** List, and keep up to date, from now on. */
export function startStore(): void {
  let listed = "";
  effect(() => {
    const wanted = JSON.stringify([key.value, filters.value]);
    if (!key.value) {
      byId.value = new Map();
      order.value = [];
      isListed.value = false;
      listed = "";
    } else if (wanted !== listed) {
      listed = wanted;
      void listFirst().then(hasten);
    }
  });
  effect(() => {
    if (running.value.length && !trouble.value) schedule();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return clearTimeout(timer);
    readyUnseen.value = 0;
    if (key.value && isListed.value) void listNewest().then(hasten);
  });
}

/** Look for what others made meanwhile: it goes on top, and what was listed stays. */
async function listNewest(): Promise<void> {
  if (Date.now() - lastPollAt < POLL_MAX_MS) return;
  lastPollAt = Date.now();
  const page = await listVideos({ ...filters.value, limit: String(PAGE_SIZE) }).catch(() => null);
  if (!page) return;
  keep(page.data);
  order.value = [...new Set([...page.data.map((video) => video.id), ...order.value])];
}
