// The API over fetch: the key, errors as sentences, and patience. A 401 alone signs out.
import { computed, signal } from "@preact/signals";
import { key, signOut } from "./session";
import type { CreateVideo, Estimate, Happening, List, Model, Usage, Video } from "./types";

const BASE = location.pathname.replace(/\/studio\/?$/, "");
const TRIES_MAX = 6;
const WAIT_MAX_SECONDS = 30;

/** A refusal of the API: its sentence, and the field that it is about. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

const isOnline = signal(navigator.onLine);
addEventListener("offline", () => (isOnline.value = false));
addEventListener("online", () => (isOnline.value = true));

/** What calls wait for, one entry for each call that does. */
const waits = signal<readonly ("network" | "api")[]>([]);

/** What the page says while it cannot reach the API, or the API asks it to wait; empty when all is well. */
export const trouble = computed<"" | "offline" | "busy">(() => {
  if (!isOnline.value || waits.value.includes("network")) return "offline";
  return waits.value.length ? "busy" : "";
});

interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  query?: Record<string, string>;
  body?: unknown;
  /** Makes a POST safe to send again: the API answers with what the first one became. */
  idempotencyKey?: string;
  signal?: AbortSignal;
  /** Of a key that is being tried. */
  secret?: string;
}

export async function call<Answer>(path: string, options: Call = {}): Promise<Answer> {
  const { method = "GET", query, body, idempotencyKey, secret } = options;
  const headers: Record<string, string> = { Authorization: `Bearer ${secret ?? key.value}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  const search = query && Object.keys(query).length ? `?${new URLSearchParams(query)}` : "";
  const request: RequestInit = { method, headers, cache: "no-store" };
  if (body !== undefined) request.body = JSON.stringify(body);
  if (options.signal) request.signal = options.signal;
  // A change without a key to its name might have happened although no answer came: it is not sent again.
  const isSafe = method === "GET" || method === "DELETE" || idempotencyKey !== undefined;

  for (let tries = 1; ; tries++) {
    const answer = await send(`${BASE}${path}${search}`, request);
    const asksToWait = answer?.status === 429 && answer.headers.has("retry-after");
    if (answer && answer.status < 500 && !asksToWait) return await read<Answer>(answer, secret === undefined);
    options.signal?.throwIfAborted();
    // Nothing was recorded when the API asks to wait. A budget that is used up has no time to wait for.
    const mayRepeat = isSafe || asksToWait;
    if (!mayRepeat || tries === TRIES_MAX) {
      if (answer) return await read<Answer>(answer, false);
      throw new ApiError(0, "The API cannot be reached. Nothing that you typed is lost.");
    }
    await wait(answer, tries, options.signal);
  }
}

const send = (url: string, request: RequestInit): Promise<Response | null> =>
  fetch(url, request).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    return null;
  });

async function read<Answer>(answer: Response, signsOut: boolean): Promise<Answer> {
  if (answer.ok) return (await answer.json()) as Answer;
  const envelope = (await answer.json().catch(() => ({}))) as {
    error?: { message?: string; code?: string | null; param?: string | null };
  };
  const message = envelope.error?.message ?? `The API answered ${answer.status}.`;
  if (answer.status === 401 && signsOut) signOut(message);
  throw new ApiError(answer.status, message, envelope.error?.code, envelope.error?.param);
}

/** Wait as long as the answer says, or twice as long each time, or until the network is back. */
async function wait(answer: Response | null, tries: number, aborted?: AbortSignal): Promise<void> {
  const told = Number(answer?.headers.get("retry-after"));
  const seconds = Math.min(told > 0 ? told : 2 ** (tries - 1) * (0.75 + Math.random() / 2), WAIT_MAX_SECONDS);
  waits.value = [...waits.value, answer ? "api" : "network"];
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000);
      if (!answer) addEventListener("online", () => (clearTimeout(timer), resolve()), { once: true });
      aborted?.addEventListener("abort", () => (clearTimeout(timer), reject(aborted.reason as Error)), { once: true });
    });
  } finally {
    const left = [...waits.value];
    left.splice(left.indexOf(answer ? "api" : "network"), 1);
    waits.value = left;
  }
}

// The routes, by what they give.

/** Tell whether a key is good, without signing in with it. */
export const tryKey = (secret: string) => call<List<Video>>("/videos", { query: { limit: "1" }, secret });

export const listVideos = (query: Record<string, string>, signal?: AbortSignal) =>
  call<List<Video>>("/videos", signal ? { query, signal } : { query });

export const readVideo = (id: string) => call<Video>(`/videos/${encodeURIComponent(id)}`);
/** List all that happened to a video, from its beginning. */
export async function listEvents(id: string, signal: AbortSignal): Promise<Happening[]> {
  const found: Happening[] = [];
  for (;;) {
    const after = found.at(-1)?.id;
    const page = await call<List<Happening>>(`/videos/${encodeURIComponent(id)}/events`, { query: after ? { after } : {}, signal });
    found.push(...page.data);
    if (!page.has_more || !page.data.length) return found;
  }
}

export const deleteVideo = (id: string) => call(`/videos/${encodeURIComponent(id)}`, { method: "DELETE" });
export const listModels = () => call<List<Model>>("/models");
/** Read what was spent, since a day as 2026-11-30. */
export const readUsage = (since = "") => call<Usage>("/usage", since ? { query: { since } } : {});

export const createVideo = (body: Partial<CreateVideo>, idempotencyKey: string) =>
  call<Video>("/videos", { method: "POST", body, idempotencyKey });

/** Ask what a video would be and cost; nothing is made. */
export const estimate = (body: Partial<CreateVideo>, signal: AbortSignal) =>
  call<Estimate>("/videos", { method: "POST", query: { dry_run: "true" }, body, signal });

/** Make the name of a request. `randomUUID` is missing on plain HTTP, which a host in a local network has. */
export const makeIdempotencyKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
