// The tab's title counts what is ready or waits.
import { effect } from "@preact/signals";
import { key } from "./session";
import { readyUnseen, runningCount, waitingForYou } from "./store";

const NAME = "MediaPoster Studio";

export function startTitle(): void {
  effect(() => {
    const parts = [
      readyUnseen.value && `${readyUnseen.value} ready`,
      waitingForYou.value.length && `${waitingForYou.value.length} to approve`,
      runningCount.value && `${runningCount.value} in progress`,
    ].filter(Boolean);
    document.title = key.value && parts.length ? `(${parts.join(", ")}) ${NAME}` : NAME;
  });
}
