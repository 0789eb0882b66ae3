// Posts the selected videos to one account.
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import type { components } from "../openapi";
import { postAgain } from "../posting";
import { findVideo } from "../store";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { say } from "../ui/Toast";
import { selected } from "./selection";
import { nameNetwork } from "./words";

type Schemas = components["schemas"];
type Account = Schemas["AccountObject"];

interface Place {
  name: string;
  target: { platform: string; account_id: string; page_id?: string; board_id?: string };
}

const YOUTUBE_TITLE_MAX = 100;
const NEEDS_BELOW = ["facebook", "pinterest"];
const PRIVACY = [
  ["SELF_ONLY", "Only you"],
  ["PUBLIC_TO_EVERYONE", "Everyone"],
  ["MUTUAL_FOLLOW_FRIENDS", "Friends"],
  ["FOLLOWER_OF_CREATOR", "Followers"],
] as const;

/** Where an account can post: itself, its pages, or its boards. */
function listPlaces({ id, platform, name, username, pages, boards }: Account): Place[] {
  const target = { platform, account_id: id };
  const label = `${nameNetwork(platform)}: ${username ?? name}`;
  const below = [
    ...(platform === "youtube" ? [] : pages).map((page) => ({ name: `${label}, ${page.name}`, target: { ...target, page_id: page.id } })),
    ...boards.map((board) => ({ name: `${label}, ${board.name}`, target: { ...target, board_id: board.id } })),
  ];
  return NEEDS_BELOW.includes(platform) ? below : [{ name: label, target }, ...below];
}

export function PostMany({ onClose }: { onClose: () => void }) {
  const [places, setPlaces] = useState<Place[] | null>(null);
  const [notice, setNotice] = useState("");
  const [chosen, setChosen] = useState(0);
  const [text, setText] = useState("");
  const [privacy, setPrivacy] = useState("SELF_ONLY");
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    call<Schemas["AccountListObject"]>("/accounts").then(
      (list) => {
        setPlaces(list.data.flatMap(listPlaces));
        setNotice(list.notice ?? list.warning ?? "");
      },
      (failed: unknown) => setError((failed as Error).message),
    );
  }, []);

  const ready = [...selected.value].flatMap((id) => findVideo(id) ?? []).filter(({ status, stage }) => status === "completed" && stage === "done");
  const left = selected.value.size - ready.length;
  const target = places?.[chosen]?.target;
  const what = ready.length === 1 ? "1 video" : `${ready.length} videos`;

  const post = async () => {
    setBusy(true);
    setError("");
    try {
      for (const video of ready) {
        const title = target!.platform === "youtube" ? { title: video.prompt.slice(0, YOUTUBE_TITLE_MAX) } : {};
        const more = target!.platform === "tiktok" ? { privacy_level: privacy } : {};
        const body = { publish: [{ ...target!, ...title, ...more }], ...(text.trim() && { text: text.trim() }) };
        await postAgain(video, body);
        // What is posted is not posted again by a second press.
        selected.value = new Set([...selected.value].filter((id) => id !== video.id));
      }
      say(`${what} on the way to ${places![chosen]!.name}.`);
      onClose();
    } catch (failed) {
      setError((failed as Error).message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog label={`Post ${what}`} class="question" onClose={onClose}>
      <h2>Post {what}</h2>
      <div class="form">
        <Field label="Account" hint={notice}>
          <select value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))} disabled={!places}>
            {places?.map(({ name }, number) => (
              <option key={number} value={number}>
                {name}
              </option>
            ))}
          </select>
        </Field>
        {target?.platform === "tiktok" && (
          <Field label="Who sees it">
            <select value={privacy} onChange={(event) => setPrivacy(event.currentTarget.value)}>
              {PRIVACY.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </Field>
        )}
        <Field label="Caption" hint="Left empty, each video has its own.">
          <textarea dir="auto" rows={3} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </Field>
        {target?.platform === "youtube" && <p class="note">The title is the beginning of each prompt. They are private until you change that at YouTube.</p>}
        {left > 0 && <p class="note">{left} of the selected are left out: they are not ready, or being posted.</p>}
        {error && (
          <p class="note bad" role="alert" dir="auto">
            {error}
          </p>
        )}
        <div class="row end">
          <Button onClick={onClose}>Close</Button>
          <Button look="primary" isBusy={isBusy} disabled={!target || !ready.length} onClick={() => void post()}>
            Post {what} now
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
