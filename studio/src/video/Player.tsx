import { useEffect, useRef, useState } from "preact/hooks";
import { readSize } from "../format";
import { isStale, refresh } from "../store";
import type { Video } from "../types";
import { Poster } from "./Poster";

/** How often a link that does not work is asked for anew. */
const RENEWALS_MAX = 2;

/** The video in the browser's own player. When its link has expired, a new one goes on at the same moment. */
export function Player({ video }: { video: Video }) {
  const player = useRef<HTMLVideoElement>(null);
  const renewals = useRef(0);
  const resumeAt = useRef(0);
  const [isBroken, setBroken] = useState(false);
  const { width, height } = readSize(video.probe ? `${video.probe.width}x${video.probe.height}` : video.size);
  const shape = { "--ratio": width / height };
  const source = video.links?.video;

  useEffect(() => {
    if (resumeAt.current && player.current) player.current.currentTime = resumeAt.current;
  }, [source]);

  if (!video.links)
    return (
      <div class="frame" style={shape}>
        <Poster video={video} />
      </div>
    );

  const renew = () => {
    if (renewals.current >= RENEWALS_MAX) return setBroken(true);
    renewals.current++;
    resumeAt.current = player.current?.currentTime ?? 0;
    void refresh(video.id).catch(() => setBroken(true));
  };
  return (
    <div class="frame" style={shape}>
      <video
        ref={player}
        src={source}
        poster={video.links.thumbnail}
        controls
        loop
        playsInline
        preload="metadata"
        width={width}
        height={height}
        aria-label="The video"
        onError={renew}
        onPlay={() => isStale(video) && renew()}
        onPlaying={() => (renewals.current = 0)}
      />
      {isBroken && (
        <p class="note bad" role="alert">
          The video could not be loaded. Close it, and open it again.
        </p>
      )}
    </div>
  );
}
