// The library: every video of the key's owner, newest first, with search and filters in the address.
import { computed, signal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { readRatio } from "../format";
import { models } from "../models";
import { go, setQuery } from "../route";
import { day, filters, hasMore, isDay, isListed, listError, listFirst, listMore, moreError, videos } from "../store";
import type { Video } from "../types";
import { dayOf } from "../times";
import { Button, IconButton } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Icon } from "../ui/Icon";
import { CardSkeletons } from "../ui/Skeleton";
import { Card } from "../video/Card";
import { Grid } from "../video/Grid";
import { PostMany } from "../video/PostMany";
import { clearSelection, downloadSelected, removeVideos, selected } from "../video/selection";
import { change } from "../draft";

const STATUSES = [
  ["", "All"],
  ["completed", "Ready"],
  ["in_progress", "In progress"],
  ["queued", "Queued"],
  ["failed", "Failed"],
] as const;

const SEARCH_DELAY_MS = 350;

/** Whether the form for the posts of the selected videos is open. */
const isPosting = signal(false);

export function Library() {
  return (
    <section class="library" aria-label="Library">
      <h1 class="unseen">Library</h1>
      <Toolbar />
      <Shelf />
      {selected.value.size > 0 && <SelectionBar />}
      {isPosting.value && <PostMany onClose={() => (isPosting.value = false)} />}
    </section>
  );
}

const typed = signal<string | null>(null);

function Toolbar() {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const query = filters.value;
  const search = (text: string) => {
    typed.value = text;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setQuery({ prompt: text.trim() });
      typed.value = null;
    }, SEARCH_DELAY_MS);
  };
  return (
    <div class="toolbar" role="search">
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          id="search"
          aria-label="Search prompts"
          placeholder="Search prompts"
          maxLength={512}
          value={typed.value ?? query.prompt ?? ""}
          onInput={(event) => search(event.currentTarget.value)}
        />
      </div>
      <select aria-label="Status" value={query.status ?? ""} onChange={(event) => setQuery({ status: event.currentTarget.value })}>
        {STATUSES.map(([value, label]) => (
          <option key={value} value={value}>
            {value ? label : "Any status"}
          </option>
        ))}
      </select>
      <select aria-label="Model" value={query.model ?? ""} onChange={(event) => setQuery({ model: event.currentTarget.value })}>
        <option value="">Any model</option>
        {models.value.map((model) => (
          <option key={model.id} value={model.id}>
            {model.id}
          </option>
        ))}
      </select>
      <input
        type="date"
        class={day.value ? "day" : "day unset"}
        aria-label="Day"
        title="Made on"
        value={day.value}
        max={dayOf(new Date())}
        onChange={({ currentTarget: { value } }) => (!value || isDay(value)) && setQuery({ day: value })}
      />
      {query.batch_id && (
        <Button look="quiet" icon="close" onClick={() => setQuery({ batch_id: "" })}>
          One batch
        </Button>
      )}
    </div>
  );
}

function Shelf() {
  const listed = videos.value;
  const failed = listError.value;
  if (failed && !listed.length)
    return (
      <EmptyState icon="warning" title="The library cannot be shown">
        <p dir="auto">{failed}</p>
        <Button onClick={() => void listFirst()}>Try again</Button>
      </EmptyState>
    );
  if (!isListed.value) return <CardSkeletons />;
  if (!listed.length) return Object.keys(filters.value).length ? <NothingFound /> : <FirstSteps />;
  return (
    <>
      {failed && <Failed what="These are still the videos from before." reason={failed} again={listFirst} />}
      <Grid
        class={selected.value.size ? "picking" : ""}
        ratios={ratios.value}
        count={hasMore.value ? -1 : listed.length}
        nameCard={(index) => listed[index]!.id}
        drawCard={(index) => drawCard(listed[index]!)}
        findCard={(id) => listed.findIndex((video) => video.id === id)}
      />
      {moreError.value ? (
        <Failed what="The next videos could not be loaded." reason={moreError.value} again={listMore} />
      ) : (
        hasMore.value && <NextPage />
      )}
    </>
  );
}

const ratios = computed(() => videos.value.map(({ size }) => readRatio(size)));

/** What each card shows: Preact leaves what it has seen before, so an answer about one does not draw all again. */
const drawn = new WeakMap<Video, VNode>();

function drawCard(video: Video): VNode {
  const known = drawn.get(video) ?? <Card video={video} />;
  drawn.set(video, known);
  return known;
}

/** Says what is missing from the list. */
const Failed = ({ what, reason, again }: { what: string; reason: string; again: () => Promise<void> }) => (
  <p class="row note bad" role="alert">
    <span dir="auto">
      {what} {reason}
    </span>
    <Button onClick={() => void again()}>Try again</Button>
  </p>
);

/** Lists the next page before the end comes into view. */
function NextPage() {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // On a busy machine several changes come at once: the last is what holds.
    const look = (changes: IntersectionObserverEntry[]) => changes.at(-1)?.isIntersecting && void listMore();
    const observer = new IntersectionObserver(look, { rootMargin: "1600px" });
    observer.observe(end.current!);
    return () => observer.disconnect();
    // The observer only tells of changes: after each page a new one looks again.
  }, [videos.value.length]);
  return (
    <div ref={end} class="row center">
      <Button onClick={() => void listMore()}>Show more</Button>
    </div>
  );
}

const NothingFound = () => (
  <EmptyState icon="search" title="No video fits">
    <p>Nothing in the library fits this search and these filters.</p>
    <Button onClick={() => setQuery({ prompt: "", status: "", model: "", batch_id: "", stage: "", day: "" })}>Show all videos</Button>
  </EmptyState>
);

const IDEAS = [
  "A paper boat drifts down a rainy street, low camera, soft morning light",
  "A ceramic cup on a slowly turning table, steam rising, studio light",
  "Aerial view of a train that crosses a green valley at golden hour",
];

const FirstSteps = () => (
  <EmptyState icon="film" title="Make your first video">
    <p>Describe a shot: what is seen, how the camera moves, what the light is like. Or begin with one of these.</p>
    <ul class="ideas">
      {IDEAS.map((idea) => (
        <li key={idea}>
          <button
            type="button"
            onClick={() => {
              change({ prompt: idea });
              go("/make");
            }}
          >
            {idea}
          </button>
        </li>
      ))}
    </ul>
  </EmptyState>
);

const SelectionBar = () => (
  <div class="selection" role="toolbar" aria-label="Selected videos">
    <IconButton icon="close" label="Clear the selection" onClick={clearSelection} />
    <span>
      {selected.value.size}
      <i> selected</i>
    </span>
    <Button icon="download" onClick={() => void downloadSelected()}>
      Download
    </Button>
    <Button icon="external" onClick={() => (isPosting.value = true)}>
      Post
    </Button>
    <Button look="danger" icon="trash" onClick={() => void removeVideos([...selected.value])}>
      Delete
    </Button>
  </div>
);
