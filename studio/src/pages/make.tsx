// The form for a new video: beside the library where there is room, else a page of its own.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, createVideo, estimate } from "../api";
import { change, clearDraft, draft, nameRequest, readRequest } from "../draft";
import { formatMoney, nameShape, readSize } from "../format";
import { findBlock } from "../make/captions";
import { FirstPicture, dropPicture, takeFrom } from "../make/FirstPicture";
import { PostIt } from "../make/PostIt";
import { namePicture, picture, sendPicture } from "../make/picture";
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
const VARIANTS = [1, 2, 3, 4];
/** The fields that say themselves why they are refused. */
const FIELDS_SHOWN = /^(prompt|model|seconds|size|input_reference.*|text|approval|publish\[\d+\].*)$/;
/** Begins the warning of a stack whose posts wait for a person unless the request says otherwise. */
const APPROVAL_WARNING = "approval: ";

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

/** Ask for the price whenever the settings change. The posts are checked with it. */
function useQuote(): void {
  const body = readRequest(draft.value);
  // The price does not depend on the prompt, which is refused when it is empty.
  const asked = JSON.stringify({ ...body, prompt: body.prompt || "…" });
  const isReady = isListed.value && models.value.length > 0 && key.value !== null;
  useEffect(() => {
    if (!isReady) return;
    const aborted = new AbortController();
    const timer = setTimeout(() => {
      estimate(JSON.parse(asked) as typeof body, aborted.signal).then(
        (answer) => ((quote.value = answer), (refusal.value = null)),
        (error: unknown) => {
          if (!(error instanceof ApiError) || aborted.signal.aborted) return;
          // What is refused of the posts does not change the price.
          if (!/^(publish|text|approval)/.test(error.param ?? "")) quote.value = null;
          refusal.value = error;
        },
      );
    }, ESTIMATE_DELAY_MS);
    return () => (clearTimeout(timer), aborted.abort());
  }, [isReady, asked]);
}

/** Whether the form can be sent. */
const isComplete = (): boolean =>
  draft.value.prompt.trim() !== "" && !findBlock() && !(picture.value && findModel()?.image_input === false);

/** Make the videos, each under a name of its own. What was made stays so when this is sent again. */
async function send(): Promise<void> {
  if (isSending.value || !isComplete()) return;
  isSending.value = true;
  const { count } = draft.value;
  const body = readRequest(draft.value);
  const name = nameRequest(JSON.stringify(body) + namePicture());
  try {
    const request = { ...body, ...(await sendPicture()) };
    const sent = await Promise.allSettled(
      VARIANTS.slice(0, count).map((variant) => createVideo(request, variant > 1 ? `${name}-${variant}` : name)),
    );
    const made = sent.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    made.toReversed().forEach(addFirst);
    const failed = sent.find((each) => each.status === "rejected");
    if (failed) throw failed.reason;
    clearDraft();
    dropPicture();
    refusal.value = null;
    adjusted.value = "";
    go("/");
    say(count > 1 ? `Your ${count} videos are on their way.` : "Your video is on its way.");
  } catch (error) {
    refusal.value = error as ApiError;
    // An upload that is gone is made again.
    if (refusal.value.param?.startsWith("input_reference")) change({ upload: null });
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
  const isElsewhere = failed !== null && !FIELDS_SHOWN.test(failed.param ?? "");
  const at = (name: string) => (failed?.param === name ? failed.message : "");
  const { count, targets } = draft.value;
  const warnings = quote.value?.candidates[0]?.warnings ?? [];
  const block = findBlock();
  return (
    <form
      class="make"
      aria-label="New video"
      onSubmit={(event) => (event.preventDefault(), void send())}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) (event.preventDefault(), void send());
      }}
      onDragOver={(event) => event.dataTransfer?.types.includes("Files") && event.preventDefault()}
      onDrop={(event) => takeFrom(event.dataTransfer) && event.preventDefault()}
      onPaste={(event) => takeFrom(event.clipboardData) && event.preventDefault()}
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
      <FirstPicture
        isTaken={findModel()?.image_input ?? true}
        model={draft.value.model}
        error={failed?.param?.startsWith("input_reference") ? failed.message : ""}
      />
      <Settings at={at} />
      <PostIt at={at} isApprovalDefault={warnings.some((warning) => warning.startsWith(APPROVAL_WARNING))} />
      {isElsewhere && (
        <p class="note bad" role="alert" dir="auto">
          {failed.message}
        </p>
      )}
      <div class="send">
        <Price />
        {block && <p class="note bad">{block}</p>}
        <Button look="primary" type="submit" isBusy={isSending.value} disabled={!isComplete()}>
          {isSending.value ? "Sending" : `Make ${count > 1 ? `${count} videos` : "video"}${targets.length ? " and post" : ""}`}
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
      <Setting
        label="Variants"
        value={String(draft.value.count)}
        options={VARIANTS.map((each) => ({ value: String(each), label: String(each) }))}
        onChange={(value) => change({ count: Number(value) })}
        error=""
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
  const { count } = draft.value;
  return (
    <div class="price" aria-live="polite">
      <p>
        <strong>{first ? formatMoney(String(Number(first.cost_estimate_usd) * count)) : " "}</strong>
        <span>{first ? `${count > 1 ? `for ${count}, ` : ""}made by ${first.model}` : ""}</span>
      </p>
      {first?.warnings.map((warning) => (
        <p key={warning} class="note" dir="auto">
          {warning}
        </p>
      ))}
    </div>
  );
}
