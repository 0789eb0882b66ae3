// The time, for ages and estimates: it ticks while the tab is visible.
import { signal } from "@preact/signals";

const TICK_MS = 1_000;

export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, TICK_MS);

/** The same by the half minute, for what needs no more. */
export const minute = signal(Date.now());
setInterval(() => {
  if (!document.hidden) minute.value = Date.now();
}, 30 * TICK_MS);
