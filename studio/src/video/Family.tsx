// What a video is made from, up to the first, and what is made from it.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { listVideos } from "../api";
import { go, link, route } from "../route";
import { findVideo, keep, refresh } from "../store";
import type { Video } from "../types";
import { Icon } from "../ui/Icon";
import { describeStage } from "./words";

/** An endless line of remixes is shown from its last so many. */
const ANCESTORS_MAX = 10;
const CHILDREN_MAX = "50";

/** What is made from a video, by its id, as the API listed it last; and the sources that are gone. */
const children = signal<Readonly<Record<string, readonly string[]>>>({});
const gone = signal<ReadonlySet<string>>(new Set());

/** The first that a video goes back to, then the next, up to the one it is made from. */
function listAncestors(video: Video): Video[] {
  const found: Video[] = [];
  let id = video.remixed_from_video_id;
  while (id && found.length < ANCESTORS_MAX) {
    const next: Video | undefined = findVideo(id);
    if (!next) break;
    found.unshift(next);
    id = next.remixed_from_video_id;
  }
  return found;
}

async function loadChildren(id: string): Promise<void> {
  const list = await listVideos({ remixed_from: id, order: "asc", limit: CHILDREN_MAX }).catch(() => null);
  if (!list) return;
  keep(list.data);
  children.value = { ...children.value, [id]: list.data.map((video) => video.id) };
}

export function Family({ video }: { video: Video }) {
  const ancestors = listAncestors(video);
  const oldest = ancestors[0] ?? video;
  const missing = oldest.remixed_from_video_id ?? "";
  const isGone = gone.value.has(missing);
  useEffect(() => {
    if (missing && !isGone && ancestors.length < ANCESTORS_MAX)
      void refresh(missing).catch(() => (gone.value = new Set([...gone.value, missing])));
  }, [missing, isGone]);
  useEffect(() => {
    if (video.links) void loadChildren(video.id);
  }, [video.id, video.links === null]);
  const made = (children.value[video.id] ?? []).flatMap((id) => findVideo(id) ?? []);
  if (!video.remixed_from_video_id && !made.length) return null;
  const line = [...ancestors, video];
  return (
    <section aria-label="Versions">
      <h3>Versions</h3>
      <ul class="family">
        {missing && isGone && (
          <li>
            <p class="note">Made from a video that is gone</p>
          </li>
        )}
        {line.map((each, depth) => (
          <Member key={each.id} video={each} depth={depth} isHere={each === video} />
        ))}
        {made.map((each) => (
          <Member key={each.id} video={each} depth={line.length} />
        ))}
      </ul>
    </section>
  );
}

const HOW = { remix: "Remix", edit: "Edit", extend: "Extension" } as const;

function Member({ video, depth, isHere = false }: { video: Video; depth: number; isHere?: boolean }) {
  const path = `/videos/${video.id}`;
  const how = video.derivation ? HOW[video.derivation] : video.remixed_from_video_id ? "Made from it" : "First";
  return (
    <li style={{ "--depth": depth }}>
      <a
        href={link(path)}
        aria-current={isHere ? "true" : undefined}
        onClick={(event) => (event.preventDefault(), isHere || go(path, { query: route.value.query, replace: true }))}
      >
        {video.links ? <img src={video.links.thumbnail} alt="" loading="lazy" /> : <Icon name="film" />}
        <span>
          <b>{isHere ? `${how}, shown here` : how}</b>
          {!video.links && ` · ${describeStage(video)}`}
          <br />
          <span dir="auto">{video.prompt.slice(0, 120)}</span>
        </span>
      </a>
    </li>
  );
}
