// The file that was chosen, and what was found in it.
import { effect, signal } from "@preact/signals";
import { key } from "../session";
import { startBatch } from "./store";
import { check, create, upload, type Batch, type Check } from "./calls";

const SIZE_MAX = 100 * 2 ** 20;

export interface Sheet {
  name: string;
  /** Why it cannot be read, or could not be made. */
  error: string;
  /** The id of the stored file, once its rows were checked. */
  id: string;
  found: Check | null;
}

export const sheet = signal<Sheet | null>(null);
export const isMaking = signal(false);

let checking: AbortController | null = null;
let chosen: File | null = null;

/** Upload a file, and check its rows. Nothing is made. */
export async function choose(file: File): Promise<void> {
  forget();
  chosen = file;
  const show = (change: Partial<Sheet>) => (sheet.value = { name: file.name, error: "", id: "", found: null, ...change });
  const type = findType(file.name);
  if (!type) return void show({ error: "This is no CSV and no JSON Lines. In Excel or Google Sheets, save it as CSV UTF-8." });
  if (!file.size || file.size > SIZE_MAX) return void show({ error: file.size ? "A file has 100 MiB at most." : "This file is empty." });
  const { signal: aborted } = (checking = new AbortController());
  show({});
  try {
    const id = await upload(file, type, aborted);
    show({ id, found: await check(id, aborted) });
  } catch (error) {
    if (!aborted.aborted) show({ error: (error as Error).message });
  }
}

export const chooseAgain = (): void => void (chosen && choose(chosen));

export function forget(): void {
  checking?.abort();
  sheet.value = null;
}

// A stored file is of the key that stored it.
effect(() => {
  if (!key.value) forget();
});

/** Make the videos of the rows that can be made. */
export async function make(): Promise<Batch | null> {
  const asked = sheet.value;
  if (!asked?.found || isMaking.value) return null;
  isMaking.value = true;
  try {
    const batch = await create(asked.id);
    startBatch(batch);
    forget();
    return batch;
  } catch (error) {
    sheet.value = { ...asked, error: (error as Error).message };
    return null;
  } finally {
    isMaking.value = false;
  }
}

function findType(name: string): string {
  if (/\.(csv|tsv|txt)$/i.test(name)) return "text/csv";
  return /\.(jsonl|ndjson)$/i.test(name) ? "application/jsonl" : "";
}
