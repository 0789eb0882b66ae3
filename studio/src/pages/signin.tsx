// The card that asks for an API key.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { tryKey } from "../api";
import { signedOutBecause, signIn } from "../session";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { Mark } from "../ui/Icon";

const isTrying = signal(false);

async function submit(secret: string): Promise<void> {
  if (!/^mp_[\w-]{40,64}$/.test(secret)) {
    signedOutBecause.value = "A key begins with mp_ and has at least 43 characters.";
    return;
  }
  isTrying.value = true;
  try {
    await tryKey(secret);
    signIn(secret);
  } catch (error) {
    signedOutBecause.value = (error as Error).message;
  } finally {
    isTrying.value = false;
  }
}

export function SignIn() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <main class="signin">
      <form class="panel" onSubmit={(event) => (event.preventDefault(), void submit(input.current!.value.trim()))}>
        <Mark />
        <h1>MediaPoster Studio</h1>
        {/* For password managers, which keep a key under a name. */}
        <input type="text" name="name" autocomplete="username" value="MediaPoster" hidden readOnly />
        <p>Sign in with an API key. It stays in this tab, and is forgotten when you close it.</p>
        <Field label="API key" error={signedOutBecause.value} hint={<KeyHint />}>
          <input ref={input} type="password" name="key" autocomplete="current-password" spellcheck={false} required placeholder="mp_…" />
        </Field>
        <Button look="primary" type="submit" isBusy={isTrying.value}>
          {isTrying.value ? "Signing in" : "Sign in"}
        </Button>
      </form>
    </main>
  );
}

const KeyHint = () => (
  <>
    <code>mediaposter up</code> prints one; <code>mediaposter keys create</code> makes another.
  </>
);
