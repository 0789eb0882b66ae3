// What can be done with one post: move or cancel a scheduled one, and settle one in doubt.
import { useState } from "preact/hooks";
import { cancel, move, movedFrom, nameOf, resolve } from "../posting";
import { describeZone, formatMoment, toField } from "../times";
import type { Post } from "../types";
import { Button } from "../ui/Button";
import { confirm } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { nameNetwork } from "./words";

/** Do something once at a time, and keep the sentence of what went wrong. */
function useAction(): { isBusy: boolean; error: string; run: (action: () => Promise<void>) => Promise<boolean> } {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const run = async (action: () => Promise<void>) => {
    setBusy(true);
    setError("");
    try {
      await action();
      return true;
    } catch (failure) {
      setError((failure as Error).message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, run };
}

/** Move a scheduled post, or cancel it. */
export function Schedule({ post }: { post: Post }) {
  const [isMoving, setMoving] = useState(false);
  const { isBusy, error, run } = useAction();
  const before = movedFrom.value[nameOf(post)];
  const about = `${nameNetwork(post.platform)}, ${formatMoment(new Date(post.scheduled_time!))}`;
  const forget = () => {
    const { [nameOf(post)]: _, ...others } = movedFrom.value;
    movedFrom.value = others;
  };
  const stop = async () => {
    const text = "It will not go out. To post it after all, post the video to this account again.";
    if (await confirm("Cancel this post?", text, "Cancel it")) await run(() => cancel(post));
  };
  const undo = async () => {
    if (await run(() => move(post, before!))) forget();
  };
  const close = () => {
    setMoving(false);
    // After a move the post may be listed elsewhere; the focus goes there.
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-post="${nameOf(post)}"] button`)?.focus());
  };
  if (isMoving) return <Move post={post} onClose={close} />;
  return (
    <>
      <div class="row" data-post={nameOf(post)}>
        <Button class="small" isBusy={isBusy} onClick={() => setMoving(true)} aria-label={`Move the post: ${about}`}>
          Move
        </Button>
        <Button class="small" look="danger" isBusy={isBusy} onClick={() => void stop()} aria-label={`Cancel the post: ${about}`}>
          Cancel
        </Button>
        {before && Date.parse(before) > Date.now() && (
          <>
            <span class="note" role="status">
              Moved from {formatMoment(new Date(before))}
            </span>
            <Button class="small" look="quiet" isBusy={isBusy} onClick={() => void undo()} aria-label={`Undo the move: ${about}`}>
              Undo
            </Button>
          </>
        )}
      </div>
      <Trouble error={error} />
    </>
  );
}

const STEPS = [
  ["−1 day", -1],
  ["+1 day", 1],
  ["+1 week", 7],
] as const;

function Move({ post, onClose }: { post: Post; onClose: () => void }) {
  const [time, setTime] = useState(toField(new Date(post.scheduled_time!)));
  const { isBusy, error, run } = useAction();
  const chosen = new Date(time);
  const isPast = !(chosen.getTime() > Date.now());
  const step = (days: number) => {
    const next = new Date(time);
    next.setDate(next.getDate() + days);
    setTime(toField(next));
  };
  const save = async (event: Event) => {
    event.preventDefault();
    if (isPast || isBusy) return;
    const before = post.scheduled_time!;
    if (!(await run(() => move(post, chosen.toISOString())))) return;
    movedFrom.value = { ...movedFrom.value, [nameOf(post)]: before };
    onClose();
  };
  return (
    <form class="inline" onSubmit={(event) => void save(event)} onKeyDown={(event) => event.key === "Escape" && (event.preventDefault(), event.stopPropagation(), onClose())}>
      <Field label="New time" hint={describeZone()} error={isPast ? "Choose a time in the future." : error}>
        <input type="datetime-local" required value={time} min={toField(new Date())} ref={focus} onInput={(event) => setTime(event.currentTarget.value)} />
      </Field>
      <div class="row">
        {STEPS.map(([label, days]) => (
          <Button key={days} class="small" disabled={!time} onClick={() => step(days)}>
            {label}
          </Button>
        ))}
      </div>
      <div class="row">
        <Button type="submit" look="primary" isBusy={isBusy} disabled={isPast}>
          Move
        </Button>
        <Button look="quiet" onClick={onClose}>
          Keep the time
        </Button>
      </div>
    </form>
  );
}

/** Say what is seen at the network: only a person can tell. */
export function Resolve({ post }: { post: Post }) {
  const [url, setUrl] = useState<string | null>(null);
  const { isBusy, error, run } = useAction();
  const network = nameNetwork(post.platform);
  const sendAgain = async () => {
    const text = `It is sent to ${network} once more. If it is public after all, there will be two.`;
    if (await confirm("It is not public?", text, "Send it", "Look again")) await run(() => resolve(post, { outcome: "send_again" }));
  };
  const save = async (event: Event) => {
    event.preventDefault();
    if (url && !isBusy) await run(() => resolve(post, { outcome: "posted", url: url.trim() }));
  };
  if (url === null)
    return (
      <>
        <div class="row">
          <Button class="small" onClick={() => setUrl("")}>
            It is public
          </Button>
          <Button class="small" isBusy={isBusy} onClick={() => void sendAgain()}>
            It is not
          </Button>
        </div>
        <Trouble error={error} />
      </>
    );
  return (
    <form class="inline" onSubmit={(event) => void save(event)}>
      <Field label={`Its address on ${network}`} error={error}>
        <input type="url" required inputMode="url" placeholder="https://" value={url} ref={focus} onInput={(event) => setUrl(event.currentTarget.value)} />
      </Field>
      <div class="row">
        <Button type="submit" look="primary" isBusy={isBusy}>
          Save
        </Button>
        <Button look="quiet" onClick={() => setUrl(null)}>
          Back
        </Button>
      </div>
    </form>
  );
}

const Trouble = ({ error }: { error: string }) =>
  error ? (
    <p class="note bad" role="alert" dir="auto">
      {error}
    </p>
  ) : null;

/** Focus a field when it appears, once. */
const focus = (field: HTMLElement | null) => {
  if (field && !field.dataset.seen) {
    field.dataset.seen = "yes";
    field.focus();
  }
};
