// The form for a new video: beside the library where there is room, else a page of its own.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, createVideo, estimate } from "../api";
import { beginRequest, change, clearPrompt, draft, readRequest } from "../draft";
import { formatMoney, nameShape, readSize } from "../format";
import { models, nearest } from "../models";
import { go, route } from "../route";
import { key } from "../session";
import { addFirst, isListed } from "../store";
import type { Estimate, Model } from "../types";
import { Button } from "../ui/Button";
import { Choices, Field } from "../ui/Field";
import { say } from "../ui/Toast";

const PROMPT_MAX = 32_000;
const ESTIMATE_DELAY_MS = 400;
/** More choices than this are a list. */
const SIDE_BY_SIDE_MAX = 6;

const isSending = signal(false);
/** The refusal of the API, and the field that it is about. */
const refusal = signal<ApiError | null>(null);
/** What the page changed by itself. */
const adjusted = signal("");
const quote = signal<Estimate | null>(null);

const findModel = (): Model | undefined => models.value.find((model) => model.id === draft.value.model);

/** Keep to what the model can: take the nearest, and say so. */
export function startForm(): void {
  effect(() => {
    const offered = models.value;
    if (!offered.length) return;
    const { model: wanted, seconds, size } = draft.value;
    const model = offered.find(({ id }) => id === wanted) ?? offered[0]!;
    const nextSeconds = nearest(model.seconds, seconds, (one, other) => Math.abs(one - other));
    const nextSize = nearest(model.sizes, size, differ);
    const changes: string[] = [];
    if (model.id !== wanted) changes.push(`${wanted} is not offered here`);
    if (nextSeconds !== seconds) changes.push(`${nextSeconds} s instead of ${seconds} s`);
    if (nextSize !== size) changes.push(`${nextSize} instead of ${size}`);
    if (!changes.length) return;
    adjusted.value = `${model.id}: ${changes.join(", ")}.`;
    change({ model: model.id, seconds: nextSeconds, size: nextSize });
  });
}

/** How much two sizes differ: the shape counts before the number of pixels. */
function differ(one: string, other: string): number {
  const [first, second] = [readSize(one), readSize(other)];
  const shape = Math.abs(Math.log(first.width / first.height / (second.width / second.height)));
  const pixels = Math.abs(Math.log((first.width * first.height) / (second.width * second.height)));
  return shape * 100 + pixels;
}

/** Ask for the price whenever the settings change. */
function useQuote(): void {
  const { prompt, model, seconds, size } = draft.value;
  const isReady = isListed.value && models.value.length > 0 && key.value !== null;
  useEffect(() => {
    if (!isReady) return;
    const asked = new AbortController();
    const timer = setTimeout(() => {
      // The price does not depend on the prompt, which is refused when it is empty.
      const body = { ...readRequest(draft.value), prompt: prompt.trim() || "…" };
      estimate(body, asked.signal).then(
        (answer) => ((quote.value = answer), (refusal.value = null)),
        (error: unknown) => {
          if (error instanceof ApiError && !asked.signal.aborted) ((quote.value = null), (refusal.value = error));
        },
      );
    }, ESTIMATE_DELAY_MS);
    return () => (clearTimeout(timer), asked.abort());
  }, [isReady, prompt.trim() !== "" && prompt, model, seconds, size]);
}

async function send(): Promise<void> {
  if (isSending.value || !draft.value.prompt.trim()) return;
  isSending.value = true;
  const { body, idempotencyKey } = beginRequest();
  try {
    const video = await createVideo(body, idempotencyKey);
    clearPrompt();
    refusal.value = null;
    adjusted.value = "";
    addFirst(video);
    go("/");
    say("Your video is on its way.");
  } catch (error) {
    refusal.value = error as ApiError;
  } finally {
    isSending.value = false;
  }
}

export function Make() {
  const prompt = useRef<HTMLTextAreaElement>(null);
  const isAsked = route.value.path === "/make";
  useEffect(() => {
    if (isAsked) prompt.current?.focus();
  }, [isAsked]);
  useQuote();
  const failed = refusal.value;
  const at = (name: string) => (failed?.param === name ? failed.message : "");
  return (
    <form
      class="make"
      aria-label="New video"
      onSubmit={(event) => (event.preventDefault(), void send())}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) (event.preventDefault(), void send());
      }}
    >
      <h1>New video</h1>
      <Field label="Prompt" error={at("prompt")}>
        <textarea
          ref={prompt}
          class="prompt"
          dir="auto"
          rows={5}
          maxLength={PROMPT_MAX}
          placeholder="Describe the shot: subject, movement, camera, light"
          value={draft.value.prompt}
          onInput={(event) => change({ prompt: event.currentTarget.value })}
        />
      </Field>
      <Settings at={at} />
      {failed && !["prompt", "model", "seconds", "size"].includes(failed.param ?? "") && (
        <p class="note bad" role="alert" dir="auto">
          {failed.message}
        </p>
      )}
      <div class="send">
        <Price />
        <Button look="primary" type="submit" isBusy={isSending.value} disabled={!draft.value.prompt.trim()}>
          {isSending.value ? "Sending" : "Make video"}
        </Button>
      </div>
    </form>
  );
}

function Settings({ at }: { at: (name: string) => string }) {
  const { model: chosen, seconds, size } = draft.value;
  const model = findModel();
  const choose = (changes: Parameters<typeof change>[0]) => {
    adjusted.value = "";
    change(changes);
  };
  return (
    <>
      <Field label="Model" error={at("model")} hint={adjusted.value}>
        <select value={chosen} onChange={(event) => choose({ model: event.currentTarget.value })}>
          {!model && <option value={chosen}>{chosen}</option>}
          {models.value.map(({ id, alias_of: alias }) => (
            <option key={id} value={id}>
              {alias ? `${id} (${alias})` : id}
            </option>
          ))}
        </select>
      </Field>
      <Setting
        label="Length"
        value={String(seconds)}
        options={(model?.seconds ?? [seconds]).map((each) => ({ value: String(each), label: `${each} s` }))}
        onChange={(value) => choose({ seconds: Number(value) })}
        error={at("seconds")}
      />
      <Setting
        label="Size"
        value={size}
        options={(model?.sizes ?? [size]).map((each) => ({ value: each, label: <SizeLabel size={each} />, text: each }))}
        onChange={(value) => choose({ size: value })}
        error={at("size")}
      />
    </>
  );
}

interface SettingProps {
  label: string;
  value: string;
  options: { value: string; label: preact.ComponentChildren; text?: string }[];
  onChange: (value: string) => void;
  error: string;
}

function Setting({ label, value, options, onChange, error }: SettingProps) {
  if (options.length <= SIDE_BY_SIDE_MAX)
    return <Choices label={label} value={value} options={options} onChange={onChange} note={error} />;
  return (
    <Field label={label} error={error}>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text ?? option.label}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A frame in the shape of a size, its ratio, and its pixels. */
function SizeLabel({ size }: { size: string }) {
  const { width, height } = readSize(size);
  const scale = 14 / Math.max(width, height);
  return (
    <span class="size">
      <i style={{ width: `${width * scale}px`, height: `${height * scale}px` }} />
      <b>{nameShape(size)}</b>
      <small>{Math.min(width, height)}p</small>
    </span>
  );
}

/** What the video would cost, which model will really make it, and what it warns of. */
function Price() {
  const [first] = quote.value?.candidates ?? [];
  return (
    <div class="price" aria-live="polite">
      <p>
        <strong>{first ? formatMoney(first.cost_estimate_usd) : " "}</strong>
        <span>{first ? `made by ${first.model}` : ""}</span>
      </p>
      {first?.warnings.map((warning) => (
        <p key={warning} class="note" dir="auto">
          {warning}
        </p>
      ))}
    </div>
  );
}
