// The API key of this tab. It is in sessionStorage: other tabs and the next start do not have it.
import { signal } from "@preact/signals";

const STORED = "mediaposter.key";

/** Take `#key=…` out of the address before anything else sees it. */
function takeFromAddress(): string | null {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const given = parameters.get("key");
  if (given === null) return null;
  const then = parameters.get("then") ?? "/";
  history.replaceState(null, "", `#${then.startsWith("/") ? then : "/"}`);
  return given.trim();
}

const given = takeFromAddress();
if (given) sessionStorage.setItem(STORED, given);

export const key = signal(sessionStorage.getItem(STORED));
/** Why the tab was signed out, for the sign-in card. */
export const signedOutBecause = signal("");

export function signIn(secret: string): void {
  sessionStorage.setItem(STORED, secret);
  signedOutBecause.value = "";
  key.value = secret;
}

export function signOut(because = ""): void {
  sessionStorage.removeItem(STORED);
  signedOutBecause.value = because;
  key.value = null;
}
