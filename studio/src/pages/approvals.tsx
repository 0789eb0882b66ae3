// Videos that wait for an approval.
import { useEffect } from "preact/hooks";
import { listVideos } from "../api";
import { keep, waitingForYou } from "../store";
import { EmptyState } from "../ui/EmptyState";
import { Card } from "../video/Card";

export function Approvals() {
  useEffect(() => {
    void listVideos({ stage: "awaiting_approval", limit: "100" }).then((list) => keep(list.data), () => undefined);
  }, []);
  const waiting = waitingForYou.value;
  return (
    <section class="library" aria-label="Approvals">
      <h1>Approvals</h1>
      {waiting.length ? (
        <ul class="grid">
          {waiting.map((video) => (
            <Card key={video.id} video={video} />
          ))}
        </ul>
      ) : (
        <EmptyState icon="check" title="Nothing waits for you">
          <p>Videos whose posts need an approval appear here.</p>
        </EmptyState>
      )}
    </section>
  );
}
