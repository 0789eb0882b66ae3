// The caption: one for all targets, or one for each; counted as each network counts.
import { change, changeTarget, draft } from "../draft";
import { Choices, Field } from "../ui/Field";
import { nameNetwork } from "../video/words";
import { nameAccount } from "../accounts";
import { type At, captionOf, faultOf, shorten } from "./captions";
import { measure, type Target } from "./networks";
import { Suggest } from "./Suggest";

const SHARED_MAX = 5_000;

export function Caption({ at }: { at: At }) {
  const { targets, text, isTextShared } = draft.value;
  const isOne = targets.length === 1;
  const name = (target: Target, message: string) =>
    message && (isOne ? shorten(message) : `${nameNetwork(target.platform)}: ${shorten(message)}`);
  const faults = targets.map((target, index) => name(target, at(`publish[${index}].text`) || faultOf(target)));
  return (
    <>
      {!isOne && (
        <Choices
          label="Caption"
          value={isTextShared ? "all" : "each"}
          options={[
            { value: "all", label: "One for all" },
            { value: "each", label: "One for each" },
          ]}
          onChange={(value) => change({ isTextShared: value === "all" })}
        />
      )}
      {isOne && !isTextShared && <OwnCaption target={targets[0]!} index={0} at={at} label="Caption" />}
      {isTextShared && (
        <CaptionField
          label={isOne ? "Caption" : "Caption for all"}
          value={text}
          targets={targets}
          error={at("text") || faults.find(Boolean) || ""}
          onInput={(value) => change({ text: value })}
        />
      )}
      <Suggest />
    </>
  );
}

interface OwnCaptionProps {
  target: Target;
  index: number;
  at: At;
  label?: string;
}

/** The caption of one target alone. */
export function OwnCaption({ target, index, at, label }: OwnCaptionProps) {
  return (
    <CaptionField
      label={label ?? `Caption for ${nameNetwork(target.platform)}, ${nameAccount(target.platform, target.account_id)}`}
      value={String(target.fields.text ?? "")}
      targets={[target]}
      error={shorten(at(`publish[${index}].text`)) || faultOf(target)}
      onInput={(value) => changeTarget(index, "text", value || undefined)}
    />
  );
}

interface CaptionFieldProps {
  label: string;
  value: string;
  targets: readonly Target[];
  error: string;
  onInput: (value: string) => void;
}

function CaptionField({ label, value, targets, error, onInput }: CaptionFieldProps) {
  return (
    <div class="caption-field">
      <Field label={label} error={error}>
        <textarea
          dir="auto"
          rows={3}
          maxLength={targets.length > 1 ? SHARED_MAX : undefined}
          placeholder={value === draft.value.text ? "Empty: the prompt is the caption" : draft.value.text}
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </Field>
      <Counters targets={targets} />
    </div>
  );
}

/** One counter for each network, and for the rules that are not far from their limit. */
function Counters({ targets }: { targets: readonly Target[] }) {
  const seen = new Map(
    targets.flatMap((target) =>
      measure(target, captionOf(target))
        // A second rule counts as soon as it comes near.
        .filter(({ count, most }, index) => !index || count > most / 2)
        .map((each) => [`${nameNetwork(target.platform)} ${each.unit} ${each.most}`, { ...each, name: nameNetwork(target.platform) }] as const),
    ),
  );
  return (
    <ul class="counters">
      {[...seen].map(([id, { name, count, most, unit }]) => (
        <li key={id} class={count > most ? "bad" : ""} title={`${name} takes ${most.toLocaleString()} ${unit}`}>
          {targets.length > 1 && `${name} `}
          <b>{count.toLocaleString()}</b> / {most.toLocaleString()}
          {!/^characters/.test(unit) && ` ${unit}`}
        </li>
      ))}
    </ul>
  );
}
