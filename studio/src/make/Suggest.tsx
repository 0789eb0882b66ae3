// The button that asks for captions, with what that costs, and what came of it.
import { useState } from "preact/hooks";
import { draft } from "../draft";
import { Button } from "../ui/Button";
import { confirm } from "../ui/Dialog";
import { captionsOff, fillCaptions, listNetworks, listWritten } from "./suggestions";

export function Suggest() {
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState<readonly string[]>([]);
  const [error, setError] = useState("");
  const ask = async () => {
    const written = listWritten();
    const question = `Your words for ${written.join(" and ")} are replaced by those of a model.`;
    if (written.length && !(await confirm("Replace what you wrote?", question, "Replace"))) return;
    setBusy(true);
    setError("");
    setSaid([]);
    await fillCaptions().then(setSaid, (failed: unknown) => setError((failed as Error).message));
    setBusy(false);
  };
  if (!listNetworks().length) return null;
  if (captionsOff.value)
    return (
      <p class="note" dir="auto">
        {captionsOff.value}
      </p>
    );
  return (
    <div class="suggest">
      <Button class="small" icon="spark" isBusy={isBusy} disabled={!draft.value.prompt.trim()} onClick={() => void ask()}>
        {isBusy ? "Writing" : "Suggest captions"}
      </Button>
      <div class={error ? "note bad" : "note"} role="status" dir="auto">
        {error || (said.length ? said.map((each) => <p key={each}>{each}</p>) : "A model writes one for each network. Spending shows what that costs.")}
      </div>
    </div>
  );
}
