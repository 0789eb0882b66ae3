// Videos that were selected, and what can be done with all of them.
import { signal } from "@preact/signals";
import { findVideo, remove } from "../store";
import { confirm } from "../ui/Dialog";
import { say, sayError } from "../ui/Toast";
import type { Video } from "../types";
import { isRunning } from "./words";

export const selected = signal<ReadonlySet<string>>(new Set());

export function toggle(id: string): void {
  const next = new Set(selected.value);
  if (!next.delete(id)) next.add(id);
  selected.value = next;
}

export const clearSelection = (): void => {
  if (selected.value.size) selected.value = new Set();
};

/** Start a download. The link answers with the file's name, so the page stays. */
export function download(video: Video): void {
  if (!video.links) return;
  const anchor = document.createElement("a");
  anchor.href = video.links.video;
  anchor.download = `${video.id}.mp4`;
  anchor.rel = "noopener";
  anchor.click();
}

/** Browsers drop downloads that start at the same moment. */
const BETWEEN_DOWNLOADS_MS = 400;

export async function downloadSelected(): Promise<void> {
  for (const id of selected.value) {
    const video = findVideo(id);
    if (!video?.links) continue;
    download(video);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_DOWNLOADS_MS));
  }
}

/** Cancel or delete videos, after asking. True if it was done. */
export async function removeVideos(ids: readonly string[]): Promise<boolean> {
  const known = ids.flatMap((id) => findVideo(id) ?? []);
  const running = known.filter((video) => isRunning(video));
  const what = known.length === 1 ? "this video" : `${known.length} videos`;
  const text = running.length
    ? "A render that its provider has begun may still be billed. Posts that are not public yet are cancelled."
    : "The files are removed. Posts that are public stay where they are. This cannot be undone.";
  const isCancel = running.length === known.length;
  if (!known.length || !(await confirm(`${isCancel ? "Cancel" : "Delete"} ${what}?`, text, isCancel ? "Cancel it" : "Delete"))) return false;
  const failed: unknown[] = [];
  for (const video of known) {
    await remove(video.id).catch((error: unknown) => failed.push(error));
  }
  if (failed.length) sayError(failed[0]);
  else say(known.length === 1 ? (isCancel ? "Cancelled." : "Deleted.") : `${known.length} videos deleted.`);
  clearSelection();
  return failed.length < known.length;
}
