// One target: its network's fields with their defaults, its own caption, and how the post will look.
import { changeTarget, draft, readField } from "../draft";
import { Choices, Field } from "../ui/Field";
import { nameNetwork } from "../video/words";
import { findAccount, nameAccount } from "../accounts";
import { OwnCaption } from "./Caption";
import { type At, shorten } from "./captions";
import { UNITS } from "./count";
import { FIELDS, type FieldRule, isStory, type Target } from "./networks";
import { Preview } from "./Preview";

interface TargetProps {
  target: Target;
  index: number;
  at: At;
}

export function TargetFields({ target, index, at }: TargetProps) {
  const { targets, isTextShared } = draft.value;
  const rules = (FIELDS[target.platform] ?? []).filter(({ below, options }) => !below || options?.length || findAccount(target.platform, target.account_id));
  // A reel's parts are none of a story's.
  const allowed = isStory(target) ? rules.filter(({ name }) => ["media_type", "alt_text"].includes(name)) : rules;
  const own = at(`publish[${index}]`) || at(`publish[${index}].account_id`);
  const more = allowed.filter((rule) => !rule.isFirst);
  const isMoreRefused = more.some(({ name }) => at(`publish[${index}].${name}`));
  // TikTok and YouTube have both as fields above.
  const isUnlabelled = allowed.some((rule) => rule.name === "disclosure");
  const defaults = isUnlabelled ? `Public, ${target.fields.disclosure ? "with" : "no"} AI note` : "";
  const name = `${nameNetwork(target.platform)}, ${nameAccount(target.platform, target.account_id)}`;
  return (
    <section class="target" aria-label={name}>
      <h2 dir="auto">
        <b>{nameNetwork(target.platform)}</b> {nameAccount(target.platform, target.account_id)}
      </h2>
      <p class="note bad" role="alert" dir="auto">
        {shorten(own)}
      </p>
      {!isTextShared && targets.length > 1 && !isStory(target) && <OwnCaption target={target} index={index} at={at} />}
      {allowed.filter((rule) => rule.isFirst).map((rule) => (
        <TargetField key={rule.name} rule={rule} target={target} index={index} at={at} />
      ))}
      <details open={isMoreRefused || undefined}>
        <summary>
          <small>Preview and options</small>
          {defaults && <small>{defaults}</small>}
        </summary>
        <div class="stack">
          <Preview target={target} />
          {more.map((rule) => (
            <TargetField key={rule.name} rule={rule} target={target} index={index} at={at} />
          ))}
        </div>
      </details>
    </section>
  );
}

function TargetField({ rule, target, index, at }: TargetProps & { rule: FieldRule }) {
  const { name, label, kind, fallback, limit, hint } = rule;
  const value = readField(target, name, draft.value.prompt) ?? fallback ?? "";
  const change = (next: string | boolean) => changeTarget(index, name, next);
  const count = limit ? UNITS[limit[1]](String(value)) : 0;
  const isOver = limit !== undefined && count > limit[0];
  const refused = shorten(at(`publish[${index}].${name}`));
  const error = isOver ? `At most ${limit[0]} ${limit[1]}, got ${count}.` : value === "" && rule.isRequired ? `${label} is needed.` : refused;
  if (kind === "flag")
    return (
      <div class="field">
        <label class="flag">
          <input type="checkbox" checked={value === true} onChange={(event) => change(event.currentTarget.checked)} />
          <span>{label}</span>
        </label>
        {error && <p class="note bad">{error}</p>}
      </div>
    );
  if (kind === "choice") {
    const below = rule.below ? (findAccount(target.platform, target.account_id)?.[rule.below] ?? []) : [];
    const options = [...(rule.options ?? []), ...below.map(({ id, name: called }) => [id, called] as const)];
    if (options.length > 3 || rule.below)
      return (
        <Field label={label} error={error} hint={hint}>
          <select value={String(value)} onChange={(event) => change(event.currentTarget.value)}>
            {!options.some(([each]) => each === value) && <option value={String(value)}>None</option>}
            {options.map(([each, called]) => (
              <option key={each} value={each}>
                {called}
              </option>
            ))}
          </select>
        </Field>
      );
    const choices = options.map(([each, called]) => ({ value: each, label: called }));
    return <Choices label={label} value={String(value)} options={choices} onChange={change} note={error} />;
  }
  const shared = { dir: "auto" as const, value: String(value) };
  return (
    <Field label={label} error={error} hint={hint ?? (limit && count > limit[0] / 2 ? `${count} / ${limit[0]}` : "")}>
      {kind === "lines" ? (
        <textarea {...shared} rows={2} onInput={(event) => change(event.currentTarget.value)} />
      ) : (
        <input {...shared} onInput={(event) => change(event.currentTarget.value)} />
      )}
    </Field>
  );
}

