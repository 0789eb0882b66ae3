// The batches that the page knows. Those that run are asked for while the page is open and visible.
import { signal } from "@preact/signals";
import { refreshUsage } from "../models";
import { takeTurn } from "../pace";
import { listFirst } from "../store";
import { list, type Batch } from "./calls";

const DELAY_MAX_MS = 15_000;
const DELAY_MIN_MS = 2_000;
const POLLED_MAX = 100;

export const batches = signal<readonly Batch[] | null>(null);
export const hasMore = signal(false);
export const listError = signal("");

export const isOver = ({ status }: Batch): boolean => status === "completed" || status === "failed" || status === "cancelled";

/** Keep what was answered: known batches change in their place, the others come first or last. */
function keep(answered: readonly Batch[], { last = false } = {}): void {
  const known = batches.value ?? [];
  const byId = new Map(answered.map((batch) => [batch.id, batch]));
  const changed = known.map((batch) => byId.get(batch.id) ?? batch);
  const added = answered.filter(({ id }) => !known.some((batch) => batch.id === id));
  batches.value = last ? [...changed, ...added] : [...added, ...changed];
}
export const keepOne = (batch: Batch): void => keep([batch]);

export async function listMore(): Promise<void> {
  try {
    const page = await list(batches.value?.at(-1)?.id);
    keep(page.data, { last: true });
    hasMore.value = page.has_more;
    listError.value = "";
  } catch (error) {
    listError.value = (error as Error).message;
  }
}

let isFollowed = false;
let hasChanged = false;
let delay = DELAY_MIN_MS;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Put a batch that was just made on top, and follow it. */
export function startBatch(batch: Batch): void {
  keep([batch]);
  hasten();
}

export function hasten(): void {
  hasChanged = true;
  delay = DELAY_MIN_MS;
  schedule();
}

function schedule(): void {
  clearTimeout(timer);
  if (isFollowed && !document.hidden && batches.value?.some((batch) => !isOver(batch))) timer = setTimeout(() => void poll(), delay);
}

async function poll(): Promise<void> {
  await takeTurn();
  const known = batches.value ?? [];
  const deepest = known.findLastIndex((batch) => !isOver(batch));
  try {
    keep((await list("", Math.min(deepest + 1, POLLED_MAX))).data);
  } catch {
    // The banner says that the API cannot be reached.
  }
  const isSame = JSON.stringify(known) === JSON.stringify(batches.value);
  delay = isSame ? Math.min(delay * 1.25, DELAY_MAX_MS) : DELAY_MIN_MS;
  if (!isSame) {
    hasChanged = true;
    refreshUsage();
  }
  schedule();
}

/** Follow what runs. Gives what ends that. */
export function follow(): () => void {
  isFollowed = true;
  batches.value = null;
  void listMore().then(schedule);
  document.addEventListener("visibilitychange", schedule);
  return () => {
    isFollowed = false;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", schedule);
    // Their videos are new to the library.
    if (hasChanged) void listFirst();
    hasChanged = false;
  };
}
