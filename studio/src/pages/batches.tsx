// Batches: a file of prompts, checked before anything is spent, and how those that were made stand.
import { useEffect, useState } from "preact/hooks";
import { cancel, saveResults, type Batch } from "../batches/calls";
import { Checked, count } from "../batches/Checked";
import { Columns, Drop, dropHandlers } from "../batches/Drop";
import { batches, follow, hasMore, hasten, isOver, keepOne, listError, listMore } from "../batches/store";
import { sheet } from "../batches/sheet";
import { formatMoney, formatTime } from "../format";
import { lazily } from "../lazily";
import { go, link } from "../route";
import { Button } from "../ui/Button";
import { confirm } from "../ui/Dialog";
import { sayError } from "../ui/Toast";

export function Batches() {
  useEffect(follow, []);
  return (
    <section class="page" aria-label="Batches" {...dropHandlers}>
      <h1>Batches</h1>
      {sheet.value ? <Checked {...sheet.value} /> : <Drop />}
      <Columns />
      <Made />
    </section>
  );
}

function Made() {
  const made = batches.value;
  return (
    <>
      <h2 id="batches" tabIndex={-1}>
        Made so far
      </h2>
      {listError.value && (
        <p class="note bad" role="alert" dir="auto">
          {listError.value}
        </p>
      )}
      {made?.length === 0 && <p class="note">No batch yet. Choose a file; the template has two rows to begin with.</p>}
      <ul class="batches" aria-busy={!made}>
        {made?.map((batch) => <Line key={batch.id} batch={batch} />)}
      </ul>
      {(hasMore.value || listError.value) && (
        <div class="row center">
          <Button onClick={() => void listMore()}>{hasMore.value ? "Show more" : "Try again"}</Button>
        </div>
      )}
    </>
  );
}

const STATUSES: Record<Batch["status"], readonly [string, string]> = {
  validating: ["Checking", "wait"],
  in_progress: ["In progress", "wait"],
  finalizing: ["Writing results", "wait"],
  completed: ["Done", "good"],
  failed: ["Failed", "bad"],
  cancelling: ["Stopping", "wait"],
  cancelled: ["Cancelled", ""],
};

/** The states of rows, in the order of the bar. */
const STATES = [
  ["completed", "ready"],
  ["in_progress", "in progress"],
  ["failed", "failed"],
  ["refused", "refused"],
  ["queued", "waiting"],
] as const;

const time = lazily(() => new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }));

function Line({ batch }: { batch: Batch }) {
  const { request_counts: counts, results, status } = batch;
  const [label, tone] = STATUSES[status];
  const videos = new URLSearchParams({ batch_id: batch.id });
  const shown = STATES.filter(([name]) => counts[name] > 0);
  return (
    <li>
      <p class="head">
        <strong title={formatTime(batch.created_at)}>{time().format(batch.created_at * 1000)}</strong>
        <span class={`badge ${tone}`}>{label}</span>
        <span class="cost">{formatMoney(batch.cost_usd)}</span>
      </p>
      <div class="tally" aria-hidden="true">
        {shown.map(([name]) => (
          <i key={name} class={name} style={{ flexGrow: counts[name] }} />
        ))}
      </div>
      <p class="note">
        {counts.total ? `${count(counts.total, "row")}: ` : "The rows are being read."}
        {shown.map(([name, what]) => `${counts[name]} ${what}`).join(", ")}
      </p>
      {batch.error && (
        <p class="note bad" dir="auto">
          {batch.error.message}
        </p>
      )}
      <div class="row">
        {counts.total > counts.refused && (
          <a class="button" href={link("/", videos)} onClick={(event) => (event.preventDefault(), go("/", { query: videos }))}>
            Videos
          </a>
        )}
        {results && <Results batch={batch} />}
        {!isOver(batch) && status !== "finalizing" && <Stop batch={batch} />}
      </div>
    </li>
  );
}

function Results({ batch }: { batch: Batch }) {
  const save = (format: "csv" | "jsonl") => void saveResults(batch, format).catch(sayError);
  return (
    <>
      <Button icon="download" onClick={() => save("csv")}>
        <span class="unseen">Results as </span>CSV
      </Button>
      <Button icon="download" onClick={() => save("jsonl")}>
        <span class="unseen">Results as </span>JSONL
      </Button>
    </>
  );
}

/** Stops what has not begun; pressed again, what renders, too. */
function Stop({ batch }: { batch: Batch }) {
  const [isBusy, setBusy] = useState(false);
  const isAgain = batch.status === "cancelling";
  if (isAgain && !batch.request_counts.in_progress) return null;
  const stop = async () => {
    const isSure = isAgain
      ? await confirm("Stop what renders, too?", "A render that its provider has begun may still be billed.", "Stop it")
      : await confirm("Cancel this batch?", "Rows that have not begun are not made. What renders is finished, unless you stop it, too.", "Cancel it");
    if (!isSure) return;
    setBusy(true);
    await cancel(batch.id, isAgain).then(keepOne, sayError);
    setBusy(false);
    hasten();
  };
  return (
    <Button look="danger" isBusy={isBusy} onClick={() => void stop()}>
      {isAgain ? "Stop what renders" : "Cancel"}
    </Button>
  );
}
