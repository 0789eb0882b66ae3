// What the form holds. It survives a reload, and is of this tab alone, so that two tabs do not write over each other.
import { effect, signal } from "@preact/signals";
import { makeIdempotencyKey } from "./api";
import { FIELDS, type Target, type Value } from "./make/networks";
import type { CreateVideo, Video } from "./types";

export interface Draft {
  prompt: string;
  model: string;
  seconds: number;
  size: string;
  /** How many videos of the same settings. */
  count: number;
  /** Where the picture is cut, from 0 to 1 along the side that has more than the video shows. */
  crop: number;
  /** Which cut picture was uploaded, and as what. */
  upload: { of: string; id: string } | null;
  targets: readonly Target[];
  /** The caption of all targets that have none of their own. Empty is the prompt. */
  text: string;
  isTextShared: boolean;
  when: "ready" | "slot" | "time";
  /** The time of `when`, as the control has it: local, without an offset. */
  at: string;
  /** Empty is the default of the stack. */
  approval: "" | "required" | "none";
  /** The name of the request that this form becomes. It stays until the request is answered or its content changes. */
  idempotencyKey: string;
  /** The content that was sent under that name. */
  sent: string;
}

const STORED = "mediaposter.draft";
const POSTS = { targets: [], text: "", isTextShared: true, when: "ready", at: "", approval: "" } as const;
const ONCE = { prompt: "", count: 1, crop: 0.5, upload: null, idempotencyKey: "", sent: "", ...POSTS };
const EMPTY: Draft = { model: "sora-2", seconds: 4, size: "720x1280", ...ONCE };

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

/** Change a field of a target; `undefined` is its default again. */
export const changeTarget = (index: number, name: string, value: Value | undefined): void =>
  change({
    targets: draft.value.targets.map((target, at) => {
      if (at !== index) return target;
      const { [name]: _, ...fields } = target.fields;
      return { ...target, fields: value === undefined ? fields : { ...fields, [name]: value } };
    }),
  });

/** The first sentence of a prompt, as a title that YouTube takes. */
export const suggestTitle = (prompt: string): string =>
  [...(/^[^\n]*?(?=[.!?]\s|\n|$)/.exec(prompt.trim())?.[0] ?? "").replace(/[<>]/g, "")].slice(0, 100).join("").trim();

export const readField = (target: Target, name: string, prompt: string): Value | undefined =>
  target.fields[name] ?? (target.platform === "youtube" && name === "title" ? suggestTitle(prompt) : undefined);

/** Give a local time in UTC; empty if it is none. */
export function toUtc(local: string): string {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString();
}

type ApiTarget = NonNullable<CreateVideo["publish"]>[number];

/** Give a target as the API takes it: what was chosen and differs from the default. */
function readTarget(target: Target, { prompt, isTextShared, when, at }: Draft): ApiTarget {
  const body: Record<string, unknown> = { platform: target.platform, account_id: target.account_id };
  for (const { name, kind, below, fallback, isRequired } of FIELDS[target.platform] ?? []) {
    const value = readField(target, name, prompt);
    if (value === undefined || value === fallback || (value === "" && !isRequired)) continue;
    const isList = kind === "list" || below === "playlists";
    body[name] = isList ? String(value).split(",").map((each) => each.trim().replace(/^@/, "")).filter(Boolean) : value;
  }
  if (!isTextShared && target.fields.text && body.media_type !== "story") body.text = target.fields.text;
  if (when === "slot") body.next_free_slot = true;
  if (when === "time" && toUtc(at)) body.scheduled_time = toUtc(at);
  return body as unknown as ApiTarget;
}

/** Give the request that the form stands for, without its picture. */
export function readRequest(form: Draft): Partial<CreateVideo> & { prompt: string } {
  const { prompt, model, seconds, size, targets, text } = form;
  const body: Partial<CreateVideo> & { prompt: string } = { prompt: prompt.trim(), model, seconds, size };
  if (!targets.length) return body;
  // Each of several videos would go to the same accounts: a person chooses.
  const approval = form.count > 1 ? "required" : form.approval;
  return {
    ...body,
    publish: targets.map((target) => readTarget(target, form)),
    ...(text && { text }),
    ...(approval && { approval }),
  };
}

/** Give the name that a request is sent under: the same for the same content, until it was answered. */
export function nameRequest(content: string): string {
  if (!draft.value.idempotencyKey || draft.value.sent !== content)
    change({ idempotencyKey: makeIdempotencyKey(), sent: content });
  return draft.value.idempotencyKey;
}

/** Begin anew: the settings stay. Posts do not, since each is public. */
export const clearDraft = (): void => change(ONCE);

/** Take over what made a video. */
export const reuse = (video: Video): void =>
  change({ prompt: video.prompt, model: video.model, seconds: Number(video.seconds), size: video.size });
