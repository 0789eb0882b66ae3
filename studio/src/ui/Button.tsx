import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon";

interface ButtonProps extends Omit<JSX.IntrinsicElements["button"], "icon"> {
  look?: "primary" | "plain" | "quiet" | "danger";
  icon?: IconName;
  /** Something is being done: it cannot be pressed again meanwhile. */
  isBusy?: boolean;
  children?: ComponentChildren;
}

export const Button = ({ look = "plain", icon, isBusy = false, children, class: more, ...rest }: ButtonProps) => (
  <button
    type="button"
    {...rest}
    class={`button ${look}${more ? ` ${String(more)}` : ""}`}
    aria-busy={isBusy}
    aria-disabled={isBusy || undefined}
    {...(isBusy ? { onClick: (event: Event) => event.preventDefault() } : {})}
  >
    {icon && <Icon name={icon} />}
    {children}
  </button>
);

/** A button with a picture alone; `label` is its name, and its tooltip. */
export const IconButton = ({ label, icon, class: more = "", ...rest }: ButtonProps & { label: string; icon: IconName }) => (
  <Button look="quiet" {...rest} class={`icon-only ${String(more)}`} icon={icon} aria-label={label} title={label} />
);
