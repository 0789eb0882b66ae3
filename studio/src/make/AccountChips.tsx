// The connected accounts, by name; a press chooses one.
import { useState } from "preact/hooks";
import { change, draft } from "../draft";
import type { Account } from "../types";
import { Field } from "../ui/Field";
import { Icon } from "../ui/Icon";
import { nameNetwork } from "../video/words";
import { accounts, accountsError } from "../accounts";
import { FIELDS, type Target, type Value } from "./networks";

/** More accounts than these can be searched. */
const UNSEARCHED_MAX = 8;
const TARGETS_MAX = 20;

/** A target of an account: private where the network asks, and with the first of its pages or boards. */
function begin(account: Account): Target {
  const fields: Record<string, Value> = {};
  for (const { name, isRequired, below, options } of FIELDS[account.platform] ?? []) {
    if (!isRequired || !options) continue;
    fields[name] = (below ? account[below][0]?.id : options[0]?.[0]) ?? "";
  }
  return { platform: account.platform, account_id: account.id, fields };
}

export function AccountChips() {
  const [search, setSearch] = useState("");
  const list = accounts.value?.data;
  if (!list) return accountsError.value ? null : <p class="note">Asking for your accounts …</p>;
  if (!list.length) return <p class="note">No account is connected. Connect one at Blotato, then open this again.</p>;
  const { targets } = draft.value;
  const isChosen = ({ platform, id }: Account) =>
    targets.some((target) => target.platform === platform && target.account_id === id);
  const words = search.toLowerCase();
  const shown = list.filter(
    (account) =>
      isChosen(account) || `${nameNetwork(account.platform)} ${account.name} ${account.username ?? ""}`.toLowerCase().includes(words),
  );
  const toggle = (account: Account) =>
    change({
      targets: isChosen(account)
        ? targets.filter((target) => target.platform !== account.platform || target.account_id !== account.id)
        : [...targets, begin(account)],
    });
  return (
    <div class="accounts">
      {list.length > UNSEARCHED_MAX && (
        <Field label="Search accounts" hidesLabel>
          <input
            type="search"
            placeholder="Search accounts"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && event.preventDefault()}
          />
        </Field>
      )}
      <ul class="chips" aria-label="Accounts">
        {shown.map((account) => (
          <li key={`${account.platform} ${account.id}`}>
            <button
              type="button"
              class="chip"
              aria-pressed={isChosen(account)}
              disabled={!isChosen(account) && targets.length >= TARGETS_MAX}
              onClick={() => toggle(account)}
            >
              <b>{nameNetwork(account.platform)}</b>
              <span dir="auto">{account.name}</span>
              {isChosen(account) && <Icon name="check" size={14} />}
            </button>
          </li>
        ))}
      </ul>
      {!shown.length && <p class="note">No account has this name.</p>}
    </div>
  );
}
