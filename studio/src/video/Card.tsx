import { minute } from "../clock";
import { formatAge } from "../format";
import { go, link, route } from "../route";
import type { Video } from "../types";
import { Icon } from "../ui/Icon";
import { Poster } from "./Poster";
import { selected, toggle } from "./selection";
import { describePost, describeStage } from "./words";

/** Plain presses stay on the page; others (a new tab, a new window) are the browser's. */
const isPlain = (event: MouseEvent) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;

export function Card({ video }: { video: Video }) {
  const path = `/videos/${video.id}`;
  const isSelected = selected.value.has(video.id);
  const open = (event: MouseEvent) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    // While some are selected, a press selects.
    if (selected.value.size) toggle(video.id);
    else go(path, { query: route.value.query });
  };
  return (
    <>
      <a
        class="poster"
        href={link(path)}
        onClick={open}
        aria-label={`${video.prompt.slice(0, 120)}. ${describeStage(video)}.`}
      >
        <Poster video={video} />
        {video.links && <span class="length">{Number(video.seconds)} s</span>}
        <Badge video={video} />
      </a>
      <label class="pick" title="Select">
        <input
          type="checkbox"
          checked={isSelected}
          onChange={() => toggle(video.id)}
          aria-label={`Select ${video.prompt.slice(0, 60)}`}
        />
        <Icon name="check" size={16} />
      </label>
      <div class="caption">
        <p dir="auto">{video.prompt.slice(0, 200)}</p>
        <p>
          {video.resolved_model} · {formatAge(video.created_at, minute.value)}
        </p>
      </div>
    </>
  );
}

/** What of a finished video needs a word: its approval, or its posts. */
function Badge({ video }: { video: Video }) {
  if (video.stage === "awaiting_approval") return <span class="badge wait">Approve</span>;
  const posts = video.posts ?? [];
  const bad = posts.filter((post) => describePost(post).tone === "bad").length;
  const good = posts.filter((post) => describePost(post).tone === "good").length;
  if (bad) return <span class="badge bad">{bad} not posted</span>;
  if (good) return <span class="badge good">{good} posted</span>;
  return null;
}
