// Captions that a model of the stack writes: asked for when a person says so, and never put over a person's words unasked.
import { signal } from "@preact/signals";
import { type ApiError, call } from "../api";
import { change, draft } from "../draft";
import type { Captions } from "../types";
import { nameNetwork } from "../video/words";
import { FIELDS, isStory, type Target } from "./networks";

/** Why this stack writes none; empty while it may. */
export const captionsOff = signal("");

const nameOf = ({ platform, account_id }: Target): string => `${platform} ${account_id}`;
const canHave = (target: Target): boolean => !isStory(target);

/** What was suggested and taken over last: as long as a field has just this, the words are none of a person's. */
const suggested = new Map<string, string>();

const readText = ({ fields }: Target): string => (draft.value.isTextShared ? draft.value.text : String(fields.text ?? ""));

/** The networks of the form that take a caption, each once. */
export const listNetworks = (): string[] => [...new Set(draft.value.targets.filter(canHave).map(({ platform }) => platform))];

/** The networks whose captions a person wrote. */
export const listWritten = (): string[] => [
  ...new Set(
    draft.value.targets.flatMap((target) => {
      const text = readText(target);
      return canHave(target) && text && text !== suggested.get(nameOf(target)) ? [nameNetwork(target.platform)] : [];
    }),
  ),
];

/**
 * Ask for a caption for each network, and fill them in; give what is to be said of it. It is sent once: a call costs.
 * What a person typed meanwhile stays.
 */
export async function fillCaptions(): Promise<string[]> {
  const asked = draft.value;
  const before = new Map(asked.targets.map((target) => [nameOf(target), readText(target)]));
  const body = { prompt: asked.prompt.trim(), platforms: listNetworks() };
  let answer: Captions;
  try {
    answer = await call<Captions>("/captions", { method: "POST", body });
  } catch (error) {
    if ((error as ApiError).code === "captions_off") captionsOff.value = (error as ApiError).message;
    throw error;
  }
  const said = [`Written by ${answer.model}.`, ...answer.data.flatMap(({ warning }) => warning ?? [])];
  const targets = draft.value.targets.map((target) => {
    const written = answer.data.find(({ platform }) => platform === target.platform);
    if (!written || !canHave(target) || readText(target) !== before.get(nameOf(target))) return target;
    suggested.set(nameOf(target), written.text);
    const hasTitle = FIELDS[target.platform]?.some(({ name }) => name === "title") && !target.fields.title;
    return { ...target, fields: { ...target.fields, text: written.text, ...(hasTitle && written.title && { title: written.title }) } };
  });
  const isTaken = targets.some((target, at) => target !== draft.value.targets[at]);
  if (isTaken) change({ targets, isTextShared: false });
  return isTaken ? said : ["What you wrote meanwhile stays."];
}
