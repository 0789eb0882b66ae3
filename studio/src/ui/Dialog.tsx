import type { ComponentChildren } from "preact";
import { computed, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Button, IconButton } from "./Button";
import { Toasts } from "./Toast";

/** The dialogs that are open; the last one lies above all others, and all else is inert. */
const open = signal<readonly object[]>([]);
export const isDialogOpen = computed(() => open.value.length > 0);

interface DialogProps {
  label: string;
  class?: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A modal dialog: Esc, its cross and a press beside it close it, and the focus goes back to where it was. */
export function Dialog({ label, class: more = "", onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    open.value = [...open.value, dialog];
    return () => (open.value = open.value.filter((other) => other !== dialog));
  }, []);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.isConnected && before.focus({ preventScroll: true });
  }, []);
  return (
    <dialog
      ref={dialog}
      class={more}
      aria-label={label}
      onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === event.currentTarget && onClose()}
    >
      <div class="sheet">
        <IconButton class="dismiss" icon="close" label="Close" onClick={onClose} />
        {children}
      </div>
      {open.value.at(-1) === dialog && <Toasts />}
    </dialog>
  );
}

interface Question {
  title: string;
  text: string;
  action: string;
  no: string;
  answer: (isYes: boolean) => void;
}

const question = signal<Question | null>(null);

/** Ask before something that cannot be undone. */
export const confirm = (title: string, text: string, action: string, no = "Keep"): Promise<boolean> =>
  new Promise((answer) => (question.value = { title, text, action, no, answer }));

export function Questions() {
  const asked = question.value;
  if (!asked) return null;
  const reply = (isYes: boolean) => {
    question.value = null;
    asked.answer(isYes);
  };
  return (
    <Dialog label={asked.title} class="question" onClose={() => reply(false)}>
      <h2>{asked.title}</h2>
      <p>{asked.text}</p>
      <div class="row end">
        <Button onClick={() => reply(false)}>{asked.no}</Button>
        <Button look="danger" onClick={() => reply(true)}>
          {asked.action}
        </Button>
      </div>
    </Dialog>
  );
}
