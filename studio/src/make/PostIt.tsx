// "Post it": nothing until it is opened; then accounts, captions, time and approval.
import { useEffect, useState } from "preact/hooks";
import { change, draft, toUtc } from "../draft";
import { lazily } from "../lazily";
import { isListed } from "../store";
import { Button } from "../ui/Button";
import { Choices, Field } from "../ui/Field";
import { nameNetwork } from "../video/words";
import { accounts, accountsError, loadAccounts } from "../accounts";
import { AccountChips } from "./AccountChips";
import { Caption } from "./Caption";
import type { At } from "./captions";
import { TargetFields } from "./TargetFields";

export function PostIt({ at, isApprovalDefault }: { at: At; isApprovalDefault: boolean }) {
  const { targets } = draft.value;
  const hasTargets = targets.length > 0;
  const [isOpen, setOpen] = useState(hasTargets);
  // A restored draft names its accounts; the library comes first.
  useEffect(() => {
    if (hasTargets && isListed.value) void loadAccounts();
  }, [hasTargets, isListed.value]);
  const names = [...new Set(targets.map(({ platform }) => nameNetwork(platform)))].join(", ");
  return (
    <details
      class="post-it"
      open={isOpen}
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
        if (event.currentTarget.open) void loadAccounts();
      }}
    >
      <summary>
        <span>Post it</span>
        <small>{names || "Nowhere, for now"}</small>
      </summary>
      <div class="stack">
        {accountsError.value && (
          <p class="note bad" role="alert" dir="auto">
            {accountsError.value}
          </p>
        )}
        {[accounts.value?.warning, !hasTargets && accounts.value?.notice].map((said) => said && <p class="note" dir="auto">{said}</p>)}
        <AccountChips />
        {hasTargets && (
          <>
            <Caption at={at} />
            {targets.map((target, index) => (
              <TargetFields key={`${target.platform} ${target.account_id}`} target={target} index={index} at={at} />
            ))}
            <When at={at} />
            <Approval isDefault={isApprovalDefault} error={at("approval")} />
            <Button look="quiet" onClick={() => change({ targets: [] })}>
              Post nowhere
            </Button>
          </>
        )}
      </div>
    </details>
  );
}

const zone = lazily(() => Intl.DateTimeFormat().resolvedOptions().timeZone);

/** Now, as a control for local times has it. */
const nowHere = (): string => {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

function When({ at }: { at: At }) {
  const { when, at: time, targets } = draft.value;
  const error = targets.map((_, index) => at(`publish[${index}].scheduled_time`) || at(`publish[${index}].next_free_slot`)).find(Boolean);
  return (
    <>
      <Choices
        label="When"
        value={when}
        options={[
          { value: "ready", label: "When ready" },
          { value: "time", label: "At a time" },
          { value: "slot", label: "Next free slot" },
        ]}
        onChange={(value) => change({ when: value as typeof when })}
        note={when === "slot" ? error || "The next of the times that are set up at Blotato." : ""}
      />
      {when === "time" && (
        <Field
          label={`Time in ${zone().replaceAll("_", " ")}`}
          error={error ?? ""}
          hint={toUtc(time) ? `That is ${toUtc(time).slice(0, 16).replace("T", " ")} UTC.` : "Not before the video is ready."}
        >
          <input
            type="datetime-local"
            min={nowHere()}
            value={time}
            onInput={(event) => change({ at: event.currentTarget.value })}
          />
        </Field>
      )}
    </>
  );
}

/** Whether a person looks before it is public. Not chosen, it is as the stack has it. */
function Approval({ isDefault, error }: { isDefault: boolean; error: string }) {
  const { approval, count } = draft.value;
  if (count > 1) return <p class="note">Each of the {count} videos waits for your approval, so you choose which is posted.</p>;
  const chosen = approval || (isDefault ? "required" : "none");
  return (
    <Choices
      label="Approval"
      value={chosen}
      options={[
        { value: "none", label: "Post without asking" },
        { value: "required", label: "Ask me first" },
      ]}
      onChange={(value) => change({ approval: value as "required" | "none" })}
      note={error || (approval ? "" : `${isDefault ? "Ask me first" : "Post without asking"} is the default here.`)}
    />
  );
}
