// What the form holds. It survives a reload, and is of this tab alone, so that two tabs do not write over each other.
import { effect, signal } from "@preact/signals";
import { makeIdempotencyKey } from "./api";
import type { Video } from "./types";

export interface Draft {
  prompt: string;
  model: string;
  seconds: number;
  size: string;
  /** The name of the request that this form becomes. It stays until the request is answered or its content changes. */
  idempotencyKey: string;
  /** The content that was sent under that name. */
  sent: string;
}

const STORED = "mediaposter.draft";
const EMPTY: Draft = { prompt: "", model: "sora-2", seconds: 4, size: "720x1280", idempotencyKey: "", sent: "" };

function restore(): Draft {
  try {
    return { ...EMPTY, ...(JSON.parse(sessionStorage.getItem(STORED) ?? "{}") as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}

export const draft = signal<Draft>(restore());
effect(() => sessionStorage.setItem(STORED, JSON.stringify(draft.value)));

export const change = (changes: Partial<Draft>): void => {
  draft.value = { ...draft.value, ...changes };
};

/** Give the request that the form stands for. */
export const readRequest = ({ prompt, model, seconds, size }: Draft) => ({ prompt: prompt.trim(), model, seconds, size });

/** Give the request, and the name that it is sent under: the same for the same content, until it was answered. */
export function beginRequest() {
  const body = readRequest(draft.value);
  const content = JSON.stringify(body);
  if (!draft.value.idempotencyKey || draft.value.sent !== content)
    change({ idempotencyKey: makeIdempotencyKey(), sent: content });
  return { body, idempotencyKey: draft.value.idempotencyKey };
}

/** Begin anew: the settings stay. */
export const clearPrompt = (): void => change({ prompt: "", idempotencyKey: "", sent: "" });

/** Take over what made a video. */
export const reuse = (video: Video): void =>
  change({ prompt: video.prompt, model: video.model, seconds: Number(video.seconds), size: video.size });
