import { type ComponentChildren, cloneElement, type VNode } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  /** Below the control, in place of a hint. */
  error?: string;
  hint?: ComponentChildren;
  hidesLabel?: boolean;
  children: VNode<Record<string, unknown>>;
}

/** A control with its label, and with the hint or the error that belongs to it. */
export function Field({ label, error = "", hint, hidesLabel = false, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={hidesLabel ? "unseen" : ""}>
        {label}
      </label>
      {cloneElement(children, { id, "aria-describedby": `${id}-note`, "aria-invalid": error ? "true" : undefined })}
      <p id={`${id}-note`} class={error ? "note bad" : "note"} aria-live="polite">
        {error || hint}
      </p>
    </div>
  );
}

interface ChoicesProps {
  label: string;
  value: string;
  options: readonly { value: string; label: ComponentChildren; hint?: string }[];
  onChange: (value: string) => void;
  note?: string;
}

/** One of a few, side by side. */
export function Choices({ label, value, options, onChange, note }: ChoicesProps) {
  const name = useId();
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value} title={option.hint}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
      {note && <p class="note">{note}</p>}
    </fieldset>
  );
}
