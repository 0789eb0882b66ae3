// Make another video from one: remix, edit or extend it, where the model that made it can.
import { useRef, useState } from "preact/hooks";
import { ApiError, call, makeIdempotencyKey } from "../api";
import { formatMoney } from "../format";
import { models } from "../models";
import { go, route } from "../route";
import { addFirst } from "../store";
import type { Video } from "../types";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Choices, Field } from "../ui/Field";
import { say } from "../ui/Toast";

type Kind = "remix" | "edit" | "extend";

const KINDS: Record<Kind, { name: string; ask: string }> = {
  remix: { name: "Remix", ask: "What is different this time?" },
  edit: { name: "Edit", ask: "What should change? All else stays." },
  extend: { name: "Extend", ask: "What comes after it?" },
};

export function Derive({ video }: { video: Video }) {
  const [kind, setKind] = useState<Kind | null>(null);
  const model = models.value.find(({ id }) => id === video.resolved_model);
  if (!model || !video.links) return null;
  const offered = (Object.keys(KINDS) as Kind[]).filter((each) => model.capabilities[each]);
  return (
    <>
      {offered.map((each) => (
        <Button key={each} onClick={() => setKind(each)}>
          {KINDS[each].name}
        </Button>
      ))}
      {kind && <Form kind={kind} video={video} lengths={model.extension_seconds} onClose={() => setKind(null)} />}
    </>
  );
}

interface FormProps {
  kind: Kind;
  video: Video;
  lengths: readonly number[];
  onClose: () => void;
}

function Form({ kind, video, lengths, onClose }: FormProps) {
  const [prompt, setPrompt] = useState("");
  const [seconds, setSeconds] = useState(lengths[0] ?? 0);
  const [refusal, setRefusal] = useState<ApiError | null>(null);
  const [isSending, setSending] = useState(false);
  /** The name of the request, the same until its content changes. */
  const name = useRef({ content: "", key: "" });
  const isLonger = kind === "extend";
  const share = isLonger ? seconds / Number(video.seconds) : 1;
  const send = async () => {
    if (isSending || !prompt.trim()) return;
    setSending(true);
    const body = { prompt: prompt.trim(), ...(kind !== "remix" && { video: { id: video.id } }), ...(isLonger && { seconds }) };
    const content = JSON.stringify(body);
    if (name.current.content !== content) name.current = { content, key: makeIdempotencyKey() };
    const path = { remix: `/videos/${video.id}/remix`, edit: "/videos/edits", extend: "/videos/extensions" }[kind];
    try {
      const made = await call<Video>(path, { method: "POST", body, idempotencyKey: name.current.key });
      addFirst(made);
      say("Your video is on its way.");
      onClose();
      go(`/videos/${made.id}`, { query: route.value.query, replace: true });
    } catch (error) {
      setRefusal(error as ApiError);
      setSending(false);
    }
  };
  return (
    <Dialog label={`${KINDS[kind].name} this video`} class="question" onClose={onClose}>
      <form
        class="make"
        onSubmit={(event) => (event.preventDefault(), void send())}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) (event.preventDefault(), void send());
        }}
      >
        <h2>{KINDS[kind].name} this video</h2>
        <Field label={KINDS[kind].ask} error={refusal?.message ?? ""}>
          <textarea autofocus dir="auto" rows={4} maxLength={32_000} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
        </Field>
        {isLonger && (
          <Choices
            label="Seconds to add"
            value={String(seconds)}
            options={lengths.map((each) => ({ value: String(each), label: `${each} s` }))}
            onChange={(value) => setSeconds(Number(value))}
          />
        )}
        <div class="row end">
          <small class="note">About {formatMoney(String(Number(video.cost_estimate_usd) * share))}</small>
          <Button look="primary" type="submit" isBusy={isSending} disabled={!prompt.trim()}>
            {isSending ? "Sending" : KINDS[kind].name}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
