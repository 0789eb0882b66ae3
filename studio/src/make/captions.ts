// What the captions of the form are, and what stands in their way.
import { draft, toUtc } from "../draft";
import { nameNetwork } from "../video/words";
import { findFault, type Target, writeCaption } from "./networks";

/** The sentence of a refusal that is about a field, or empty. */
export type At = (name: string) => string;

/** The caption of a target as it will be posted. */
export function captionOf(target: Target): string {
  const { isTextShared, text, prompt } = draft.value;
  return writeCaption(target, (!isTextShared && String(target.fields.text ?? "")) || text || "{prompt}", prompt.trim());
}

export const faultOf = (target: Target): string => findFault(target, captionOf(target));

/** Why the form cannot be sent as it is; empty if it can. */
export function findBlock(): string {
  const { targets, when, at } = draft.value;
  if (targets.length && when === "time" && !toUtc(at)) return "Choose a time for the posts.";
  const refused = targets.find(faultOf);
  return refused ? `Change the caption for ${nameNetwork(refused.platform)}.` : "";
}

/** Take off the beginning of a refusal that says which target it is about: it stands there. */
export function shorten(message: string): string {
  const rest = message.replace(/^publish\[\d+\] \([^)]*\): (?:\w+: )?/, "");
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}
