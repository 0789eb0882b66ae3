// One video, over the page it was opened from: player, what made it, and where it was posted.
import { useEffect, useRef, useState } from "preact/hooks";
import { reuse } from "../draft";
import { close, go, openVideoId, route } from "../route";
import { findVideo, isStale, refresh, videos } from "../store";
import type { Video } from "../types";
import { Button, IconButton } from "../ui/Button";
import { CopyButton } from "../ui/Copy";
import { Dialog } from "../ui/Dialog";
import { EmptyState } from "../ui/EmptyState";
import { Approval } from "../video/Approval";
import { Derive } from "../video/Derive";
import { Facts } from "../video/Facts";
import { Family } from "../video/Family";
import { History } from "../video/History";
import { Player } from "../video/Player";
import { Posts } from "../video/Posts";
import { download, removeVideos } from "../video/selection";
import { describeStage, isRunning, isWaitingForYou } from "../video/words";

/** The one before or after in the library; undefined at its ends. */
export function neighbour(step: number): Video | undefined {
  const at = videos.value.findIndex((video) => video.id === openVideoId.value);
  return at < 0 ? undefined : videos.value[at + step];
}

export const goToNeighbour = (step: number): void => {
  const next = neighbour(step);
  if (next) go(`/videos/${next.id}`, { query: route.value.query, replace: true });
};

export function OpenVideo() {
  const id = openVideoId.value;
  const [missing, setMissing] = useState("");
  useEffect(() => {
    setMissing("");
    if (id) refresh(id).catch((error: unknown) => setMissing((error as Error).message));
  }, [id]);
  if (!id) return null;
  const video = findVideo(id);
  return (
    <Dialog label={video ? `Video: ${video.prompt.slice(0, 80)}` : "Video"} class="detail" onClose={close}>
      {video ? <Detail key={id} video={video} /> : <Missing reason={missing} />}
    </Dialog>
  );
}

const Missing = ({ reason }: { reason: string }) =>
  reason ? (
    <EmptyState icon="warning" title="This video cannot be shown">
      <p dir="auto">{reason}</p>
      <Button onClick={close}>Back to the library</Button>
    </EmptyState>
  ) : (
    <div class="stage skeleton" />
  );

function Detail({ video }: { video: Video }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const waits = isWaitingForYou(video);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    // The button that decided is gone.
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, [waits]);
  return (
    <div class="video">
      <div class="stage">
        <Player video={video} />
        <Step by={-1} />
        <Step by={1} />
      </div>
      <div class="about">
        <h2 ref={heading} tabIndex={-1}>
          {describeStage(video)}
        </h2>
        <div class="text">
          <p dir="auto">{video.prompt}</p>
          <CopyButton text={video.prompt} what="Prompt" />
        </div>
        <Actions video={video} />
        <Warnings video={video} />
        {waits ? <Approval video={video} /> : <Posts video={video} />}
        <Family video={video} />
        <Facts video={video} />
        <History video={video} />
      </div>
    </div>
  );
}

function Step({ by }: { by: 1 | -1 }) {
  if (!neighbour(by)) return null;
  return (
    <IconButton
      class={by < 0 ? "step before" : "step after"}
      icon={by < 0 ? "left" : "right"}
      label={by < 0 ? "Newer video (k)" : "Older video (j)"}
      onClick={() => goToNeighbour(by)}
    />
  );
}

function Actions({ video }: { video: Video }) {
  const isCancel = isRunning(video);
  const save = async () => {
    if (isStale(video)) await refresh(video.id);
    download(findVideo(video.id) ?? video);
  };
  return (
    <div class="row actions">
      {video.links && (
        <Button look="primary" icon="download" onClick={() => void save()}>
          Download
        </Button>
      )}
      <Button
        onClick={() => {
          reuse(video);
          go("/make", { replace: true });
        }}
      >
        Use these settings
      </Button>
      <Derive video={video} />
      <IconButton
        icon={isCancel ? "stop" : "trash"}
        label={isCancel ? "Cancel this video" : "Delete this video"}
        onClick={() => void removeVideos([video.id]).then((isDone) => isDone && close())}
      />
    </div>
  );
}

const Warnings = ({ video }: { video: Video }) =>
  video.warnings.length ? (
    <ul class="warnings">
      {video.warnings.map((warning) => (
        <li key={warning} dir="auto">
          {warning}
        </li>
      ))}
    </ul>
  ) : null;
