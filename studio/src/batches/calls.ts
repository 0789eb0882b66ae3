// The calls of batches: a file goes to the store under a signed URL, and its rows are checked before they are made.
import { ApiError, call } from "../api";
import type { components } from "../openapi";
import { key } from "../session";
import type { List } from "../types";

type Schemas = components["schemas"];
export type Batch = Schemas["BatchObject"];
export type Check = Schemas["BatchCheckObject"];

const POST = { method: "POST" } as const;

/** Store a file. Gives the id that a batch names it by. */
export async function upload(content: Blob, type: string, signal: AbortSignal): Promise<string> {
  const place = await call<Schemas["UploadObject"]>("/uploads", {
    ...POST,
    body: { content_type: type, size_bytes: content.size },
    signal,
    // A second place for the file harms nothing.
    idempotencyKey: "-",
  });
  // The browser itself writes the length.
  const { "Content-Length": _, ...headers } = place.headers;
  const answer = await fetch(place.url, { method: "PUT", headers, body: content, signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    return null;
  });
  if (!answer?.ok) throw new ApiError(answer?.status ?? 0, "The file could not be uploaded. Nothing was made.");
  return place.id;
}

/** Check the rows of a file; nothing is made, so it may be sent again. */
export const check = (file: string, signal: AbortSignal) =>
  call<Check>("/batches", { ...POST, query: { dry_run: "true" }, body: { file }, signal, idempotencyKey: "-" });

/** Make the videos of a file, once: its id is the name of the request. */
export const create = (file: string) => call<Batch>("/batches", { ...POST, body: { file }, idempotencyKey: `studio-${file}` });

export const list = (after = "", limit = 20) =>
  call<List<Batch>>("/batches", { query: { limit: String(limit), ...(after && { after }) } });

/** Stop what has not begun, and what renders if `running`. A second time changes nothing. */
export const cancel = (id: string, running: boolean) =>
  call<Batch>(`/batches/${encodeURIComponent(id)}/cancel`, { ...POST, body: { running }, idempotencyKey: "-" });

/** Save the results of a batch. They need the key, which a link cannot send. */
export async function saveResults({ id, results }: Batch, format: "csv" | "jsonl"): Promise<void> {
  const { search } = new URL(results![format]);
  const address = `${location.pathname.replace(/\/studio\/?$/, "")}/batches/${encodeURIComponent(id)}/results${search}`;
  const answer = await fetch(address, { headers: { Authorization: `Bearer ${key.value}` }, cache: "no-store" }).catch(() => null);
  if (!answer?.ok) throw new ApiError(answer?.status ?? 0, "The results could not be loaded. Try again.");
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(await answer.blob());
  anchor.download = `${id}.${format}`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
}
