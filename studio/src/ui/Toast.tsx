import { signal } from "@preact/signals";
import { IconButton } from "./Button";

const SHOWN_MS = 6_000;
const toasts = signal<readonly { id: number; text: string; isBad: boolean }[]>([]);
let count = 0;

const dismiss = (id: number) => (toasts.value = toasts.value.filter((toast) => toast.id !== id));

/** Say something in passing. What went wrong stays until it is dismissed. */
export function say(text: string, { isBad = false } = {}): void {
  const id = ++count;
  toasts.value = [...toasts.value.slice(-2), { id, text, isBad }];
  if (!isBad) setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Say why something failed. */
export const sayError = (error: unknown): void => say((error as Error).message, { isBad: true });

export const Toasts = () => (
  <div class="toasts" role="status">
    {toasts.value.map((toast) => (
      <div key={toast.id} class={toast.isBad ? "toast bad" : "toast"}>
        <span dir="auto">{toast.text}</span>
        <IconButton icon="close" label="Dismiss" onClick={() => dismiss(toast.id)} />
      </div>
    ))}
  </div>
);
