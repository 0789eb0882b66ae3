// Where a file is dropped or picked, and what it may have.
import { signal } from "@preact/signals";
import { Icon } from "../ui/Icon";
import { choose } from "./sheet";

const isOver = signal(false);

/** Handlers for the whole page: a file that misses the box must not replace the page. */
export const dropHandlers = {
  onDragOver: (event: DragEvent) => {
    event.preventDefault();
    isOver.value = true;
  },
  onDragLeave: (event: DragEvent) => {
    if (!(event.currentTarget as Element).contains(event.relatedTarget as Node | null)) isOver.value = false;
  },
  onDrop: (event: DragEvent) => {
    event.preventDefault();
    isOver.value = false;
    const file = event.dataTransfer?.files[0];
    if (file) void choose(file);
  },
};

const TEMPLATE = [
  "id,prompt,model,seconds,size,text",
  'boat,"A paper boat drifts down a rainy street, low camera",sora-2,4,720x1280,Slow mornings',
  'cup,"A ceramic cup on a slowly turning table, steam rising",,,,',
  "",
].join("\r\n");

export const Drop = () => (
  <div class={isOver.value ? "drop over" : "drop"}>
    <p>
      <strong>Drop a file of prompts here</strong>
      <span>CSV or JSON Lines, a video in each row. All rows are checked before anything is spent.</span>
    </p>
    <div class="row center">
      <label class="button primary">
        <input
          class="unseen"
          type="file"
          accept=".csv,.tsv,.txt,.jsonl,.ndjson"
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) void choose(file);
            // The same file can be picked again after it was corrected.
            currentTarget.value = "";
          }}
        />
        Choose a file
      </label>
      <a class="button" href={`data:text/csv;charset=utf-8,${encodeURIComponent(TEMPLATE)}`} download="videos.csv">
        <Icon name="download" /> Template
      </a>
    </div>
  </div>
);

const COLUMNS = [
  ["prompt", "What the video shows. Only this one is required."],
  ["id", "Your own name of the row; no two are the same."],
  ["model, seconds, size", "As in the form. An empty cell takes the default."],
  ["text, title", "The caption of its posts, and the title, which YouTube requires."],
  ["publish.instagram.account_id", "Posts it to that account. publish.tiktok.privacy_level, publish.instagram.2.account_id and the like go on from there."],
  ["approval", "required: it is posted when you approve it. none: at once."],
  ["metadata.campaign", "Anything of yours, under any name."],
] as const;

export const Columns = () => (
  <details class="fold">
    <summary>Columns</summary>
    <dl class="facts">
      {COLUMNS.map(([names, what]) => (
        <div key={names}>
          <dt>
            <code>{names}</code>
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
    <p class="note">
      From Excel, Numbers or Google Sheets, save as CSV UTF-8. In JSON Lines each line is an object with the same fields.
    </p>
  </details>
);
