// What states mean, in words.
import type { Post, Video } from "../types";

export const isRunning = (video: Video): boolean => video.status === "queued" || video.status === "in_progress" || isPosting(video);

/** A finished video whose posts are under way. */
const isPosting = (video: Video): boolean => video.status === "completed" && video.stage === "publishing";

export const isWaitingForYou = (video: Video): boolean => video.stage === "awaiting_approval";

/** Say where a video is, for its card. */
export function describeStage(video: Video): string {
  if (video.status === "failed") return "Failed";
  switch (video.stage) {
    case "queued":
      return video.queue_position ? `Number ${video.queue_position} in the queue` : "In the queue";
    case "submitting":
      return "Starting";
    case "rendering":
      return video.progress ? `Rendering, ${video.progress} %` : "Rendering";
    case "storing":
      return "Storing";
    case "awaiting_approval":
      return "Waits for your approval";
    case "publishing":
      return "Posting";
    case "done":
      return "Ready";
  }
}

/** Say when a video should be ready; empty when it is not known. */
export function describeEta(video: Video, now: number): string {
  if (!video.eta_at || !isRunning(video)) return "";
  const seconds = Math.round(video.eta_at - now / 1000);
  if (seconds < 5) return "any moment now";
  if (seconds < 90) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}

/** What a person can do about a failed video, where its code tells. */
export function adviseOn(code: string): string {
  const advice: Record<string, string> = {
    content_policy: "Change the prompt, then try again.",
    invalid_request: "Change the settings, then try again.",
    authentication: "Check the key of this provider, or choose another model.",
    insufficient_credit: "Add credit at the provider, or choose another model.",
    rate_limited: "The provider is busy. Try again later, or choose another model.",
    model_not_found: "Choose another model.",
    budget_exceeded: "Today's budget is used up. Try again tomorrow, or raise it.",
    submission_unknown: "It may have been rendered and billed. Look at the provider before you try again.",
  };
  return advice[code] ?? "Try again with the same settings, or choose another model.";
}

const POST_STATES: Record<Post["status"], { label: string; tone: "good" | "bad" | "wait" | "quiet" }> = {
  pending: { label: "Waits", tone: "quiet" },
  calling: { label: "Sending", tone: "wait" },
  submitted: { label: "Sent", tone: "wait" },
  scheduled: { label: "Scheduled", tone: "wait" },
  published: { label: "Published", tone: "good" },
  failed: { label: "Failed", tone: "bad" },
  in_doubt: { label: "In doubt", tone: "bad" },
  parked: { label: "Needs you", tone: "bad" },
  unknown: { label: "Needs you", tone: "bad" },
  cancelled: { label: "Cancelled", tone: "quiet" },
};
export const describePost = (post: Post) => POST_STATES[post.status];

const NETWORKS: Record<string, string> = { twitter: "X", tiktok: "TikTok", youtube: "YouTube", linkedin: "LinkedIn" };
export const nameNetwork = (platform: string): string =>
  NETWORKS[platform] ?? platform.charAt(0).toUpperCase() + platform.slice(1);
