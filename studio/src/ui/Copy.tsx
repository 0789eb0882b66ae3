import { say } from "./Toast";
import { IconButton } from "./Button";

/** Copy a text to the clipboard. Plain HTTP has no clipboard: then say so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
  } catch {
    say("The browser did not let the page copy. Select the text instead.", { isBad: true });
  }
}

export const CopyButton = ({ text, what }: { text: string; what: string }) => (
  <IconButton icon="copy" label={`Copy ${what.toLowerCase()}`} onClick={() => void copy(text, what)} />
);
