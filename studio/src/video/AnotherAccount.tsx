// Post a stored video to one more account.
import { useEffect, useState } from "preact/hooks";
import { accounts, loadAccounts } from "../accounts";
import { postAgain } from "../posting";
import { describeZone, toField } from "../times";
import type { Account, Video } from "../types";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { nameNetwork } from "./words";

/** What a network must know beside the account. */
interface Need {
  name: string;
  label: string;
  options?: readonly { id: string; name: string }[];
}

const PRIVACY = [
  { id: "SELF_ONLY", name: "Only you" },
  { id: "MUTUAL_FOLLOW_FRIENDS", name: "Friends" },
  { id: "FOLLOWER_OF_CREATOR", name: "Followers" },
  { id: "PUBLIC_TO_EVERYONE", name: "Everyone" },
];

function findNeed(account: Account): Need | null {
  if (account.platform === "facebook") return { name: "page_id", label: "Page", options: account.pages };
  if (account.platform === "pinterest") return { name: "board_id", label: "Board", options: account.boards };
  if (account.platform === "tiktok") return { name: "privacy_level", label: "Who sees it", options: PRIVACY };
  return account.platform === "youtube" ? { name: "title", label: "Title" } : null;
}

export function AnotherAccount({ video, onClose }: { video: Video; onClose: () => void }) {
  const posts = video.posts ?? [];
  const [chosen, setChosen] = useState("");
  const [needed, setNeeded] = useState("");
  const [text, setText] = useState(posts.find(({ text, status }) => text && status !== "failed")?.text ?? video.prompt);
  const [time, setTime] = useState("");
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => void loadAccounts(), []);

  // An account whose post failed or was cancelled may have it again.
  const taken = posts.filter(({ status }) => status !== "failed" && status !== "cancelled").map((post) => `${post.platform} ${post.account_id}`);
  const free = (accounts.value?.data ?? []).filter((account) => !taken.includes(`${account.platform} ${account.id}`));
  const account = free.find(({ id, platform }) => `${platform} ${id}` === chosen);
  const need = account ? findNeed(account) : null;
  const value = needed || need?.options?.[0]?.id || "";

  const send = async (event: Event) => {
    event.preventDefault();
    if (!account || isBusy) return;
    setBusy(true);
    setError("");
    const target = {
      platform: account.platform,
      account_id: account.id,
      text,
      ...(need && { [need.name]: value }),
      ...(time && { scheduled_time: new Date(time).toISOString() }),
    };
    try {
      await postAgain(video, { publish: [target] });
      onClose();
    } catch (failure) {
      setError((failure as Error).message.replace(/^publish\[0\] \([^)]*\): /, ""));
      setBusy(false);
    }
  };

  return (
    <form class="inline" onSubmit={(event) => void send(event)}>
      <Field label="Account" hint={accounts.value && !free.length ? "Every connected account has it." : ""}>
        <select required value={chosen} onChange={(event) => (setChosen(event.currentTarget.value), setNeeded(""))}>
          <option value="">Choose an account</option>
          {free.map(({ id, platform, name }) => (
            <option key={id} value={`${platform} ${id}`}>
              {nameNetwork(platform)} · {name}
            </option>
          ))}
        </select>
      </Field>
      {need && (
        <Field label={need.label} hint={need.options?.length === 0 ? "This account has none." : ""}>
          {need.options ? (
            <select value={value} onChange={(event) => setNeeded(event.currentTarget.value)}>
              {need.options.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          ) : (
            <input required maxLength={100} dir="auto" value={needed} onInput={(event) => setNeeded(event.currentTarget.value)} />
          )}
        </Field>
      )}
      <Field label="Caption">
        <textarea rows={3} dir="auto" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </Field>
      <Field label="When" hint={time ? describeZone() : "Empty is at once."}>
        <input type="datetime-local" value={time} min={toField(new Date())} onInput={(event) => setTime(event.currentTarget.value)} />
      </Field>
      {error && (
        <p class="note bad" role="alert" dir="auto">
          {error}
        </p>
      )}
      <div class="row">
        <Button type="submit" look="primary" isBusy={isBusy} disabled={!account}>
          {time ? "Schedule" : "Post"}
        </Button>
        <Button look="quiet" onClick={onClose}>
          Back
        </Button>
      </div>
    </form>
  );
}
