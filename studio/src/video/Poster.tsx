// The picture of a video: what it shows depends on where the video is.
import type { TargetedPointerEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import { now } from "../clock";
import { isStale, refresh } from "../store";
import type { Video } from "../types";
import { Icon } from "../ui/Icon";
import { adviseOn, describeEta, describeStage, isRunning } from "./words";

// The spritesheet has one cell a second, in rows of ten (layers/mediaposter/mediaposter/media/probe.py).
const COLUMNS = 10;
const CELLS_MAX = 50;

export function Poster({ video }: { video: Video }) {
  if (video.links) return <Picture video={video} />;
  if (video.status === "failed") return <Failure video={video} />;
  if (isRunning(video)) return <Progress video={video} />;
  return (
    <div class="state">
      <Icon name="film" size={24} />
      <span>No longer kept</span>
    </div>
  );
}

function Progress({ video }: { video: Video }) {
  const eta = video.eta_at ? describeEta(video, now.value) : "";
  return (
    <div class="state running">
      <strong>{describeStage(video)}</strong>
      <span>{eta || " "}</span>
      <div class="bar" role="progressbar" aria-label="Progress" aria-valuenow={video.progress}>
        <i style={{ width: `${Math.max(video.progress, 3)}%` }} />
      </div>
    </div>
  );
}

const Failure = ({ video }: { video: Video }) => (
  <div class="state failed">
    <strong>
      <Icon name="warning" /> Failed
    </strong>
    {video.error && <span dir="auto">{video.error.message}</span>}
    {video.error && <em>{adviseOn(video.error.code)}</em>}
  </div>
);

/** The videos whose pictures did not come: each is asked for anew once, however often its card comes back. */
const renewed = new Set<string>();

/** The thumbnail. A pointer or a finger that moves across it shows the moments of the video from the spritesheet. */
function Picture({ video }: { video: Video }) {
  const sheet = useRef<HTMLDivElement>(null);
  const [isLoaded, setLoaded] = useState(false);
  const seconds = (video.probe?.duration_ms ?? Number(video.seconds) * 1000) / 1000;
  const cells = Math.min(Math.max(Math.round(seconds), 1), CELLS_MAX);
  const columns = Math.min(cells, COLUMNS);
  const rows = Math.ceil(cells / COLUMNS);
  const links = video.links!;

  const scrub = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const target = sheet.current;
    if (!target || cells < 2) return;
    const box = event.currentTarget.getBoundingClientRect();
    const at = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999);
    const cell = Math.floor(at * cells);
    target.style.backgroundImage = `url("${links.spritesheet}")`;
    target.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
    target.style.backgroundPosition = `${place(cell % columns, columns)}% ${place(Math.floor(cell / columns), rows)}%`;
    target.style.setProperty("--at", String(at));
    target.hidden = false;
  };
  const stop = () => sheet.current && (sheet.current.hidden = true);
  const renew = () => {
    if (renewed.has(video.id) && !isStale(video)) return;
    renewed.add(video.id);
    void refresh(video.id).catch(() => undefined);
  };

  return (
    <div class="picture" onPointerMove={scrub} onPointerLeave={stop} onPointerCancel={stop}>
      <img
        src={links.thumbnail}
        alt=""
        loading="lazy"
        decoding="async"
        draggable={false}
        class={isLoaded ? "loaded" : ""}
        onLoad={() => setLoaded(true)}
        onError={renew}
      />
      <div ref={sheet} class="scrub" hidden />
    </div>
  );
}

/** The background position, in percent, that shows one of several cells. */
const place = (index: number, count: number): number => (count > 1 ? (index / (count - 1)) * 100 : 0);
