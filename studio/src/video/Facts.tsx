// All that made a video, to be read and copied.
import type { ComponentChildren } from "preact";
import { formatBytes, formatMoney, formatSize, formatTime } from "../format";
import type { Video } from "../types";
import { CopyButton } from "../ui/Copy";

export function Facts({ video }: { video: Video }) {
  const { probe, error, approval } = video;
  return (
    <dl class="facts">
      {error && (
        <Fact name="Error">
          <code>{error.code}</code>
        </Fact>
      )}
      <Fact name="Model">
        {video.resolved_model}
        {video.resolved_model !== video.model && <small> asked for as {video.model}</small>}
      </Fact>
      <Fact name="Provider">{video.provider}</Fact>
      <Fact name="Length">{probe ? `${(probe.duration_ms / 1000).toFixed(1)} s` : `${video.seconds} s`}</Fact>
      <Fact name="Size">{formatSize(probe ? `${probe.width}x${probe.height}` : video.size)}</Fact>
      {probe && <Fact name="Codecs">{[probe.video_codec, probe.audio_codec ?? "no sound"].join(", ")}</Fact>}
      {video.size_bytes !== null && <Fact name="File">{formatBytes(video.size_bytes)}</Fact>}
      <Fact name="Cost">
        {video.cost_usd !== null ? formatMoney(video.cost_usd) : <>{formatMoney(video.cost_estimate_usd)} <small>estimated</small></>}
      </Fact>
      <Fact name="Made">{formatTime(video.created_at)}</Fact>
      {video.completed_at !== null && <Fact name="Took">{describeSeconds(video.completed_at - video.created_at)}</Fact>}
      {approval?.decided_by && (
        <Fact name={approval.status === "approved" ? "Approved by" : "Rejected by"}>
          <span dir="auto">{approval.decided_by.name || approval.decided_by.id}</span>
          {approval.comment && <span dir="auto">“{approval.comment}”</span>}
        </Fact>
      )}
      {video.expires_at !== null && <Fact name="Kept until">{formatTime(video.expires_at)}</Fact>}
      {Object.entries(video.metadata).map(([name, value]) => (
        <Fact key={name} name={name}>
          <span dir="auto">{value}</span>
        </Fact>
      ))}
      <Fact name="Id">
        <code>{video.id}</code>
        <CopyButton text={video.id} what="Id" />
      </Fact>
      {video.sha256 && (
        <Fact name="SHA-256">
          <code>{video.sha256.slice(0, 12)}…</code>
          <CopyButton text={video.sha256} what="SHA-256" />
        </Fact>
      )}
    </dl>
  );
}

const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div>
    <dt dir="auto">{name}</dt>
    <dd>{children}</dd>
  </div>
);

const describeSeconds = (seconds: number): string =>
  seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
