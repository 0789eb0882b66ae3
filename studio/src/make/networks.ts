// What each network takes: the fields of its targets, and its rules for a caption (docs/publishing.md).
import { countHashtags, countLinks, countMentions, type Unit, UNITS } from "./count";

export type Value = string | boolean;

/** A post that is to be made. `fields` has what was chosen, by the API's names; what is absent is the default. */
export interface Target {
  platform: string;
  account_id: string;
  fields: Record<string, Value>;
}

export interface FieldRule {
  name: string;
  label: string;
  kind: "text" | "lines" | "choice" | "flag" | "list";
  /** Of a choice: value and label. */
  options?: readonly (readonly [string, string])[];
  /** The choice is one of these of the account. */
  below?: "pages" | "boards" | "playlists";
  /** What the API takes if the field is not sent. */
  fallback?: Value;
  isRequired?: boolean;
  hint?: string;
  limit?: readonly [number, Unit];
  /** Shown at once; the others are behind "More options". */
  isFirst?: boolean;
}

const text = (name: string, label: string, more: Partial<FieldRule> = {}): FieldRule => ({ name, label, kind: "text", ...more });
const flag = (name: string, label: string, more: Partial<FieldRule> = {}): FieldRule =>
  ({ name, label, kind: "flag", fallback: false, ...more });
const choice = (name: string, label: string, options: FieldRule["options"], more: Partial<FieldRule> = {}): FieldRule =>
  ({ name, label, kind: "choice", options: options!, isFirst: true, ...more });

const REEL_OR_STORY = choice("media_type", "Post as", [["reel", "Reel"], ["story", "Story"]], { fallback: "reel" });
const DISCLOSURE = text("disclosure", "AI note", {
  hint: "This network has no AI label. What you write here ends the caption, on a line of its own.",
});
const comment = (most: number) => text("first_comment", "First comment", { kind: "lines", limit: [most, "characters"] });
const altText = (most: number) => text("alt_text", "Text for those who cannot see it", { limit: [most, "characters"] });

export const FIELDS: Record<string, readonly FieldRule[]> = {
  twitter: [flag("premium", "This account has X Premium: 25,000 characters"), DISCLOSURE],
  instagram: [
    REEL_OR_STORY,
    comment(2_200),
    altText(1_000),
    text("collaborators", "Collaborators", { kind: "list", hint: "Up to 3 names, with commas between them." }),
    text("audio_name", "Name of the sound", { limit: [100, "characters"] }),
    text("cover_image_url", "Address of a cover", { hint: "https://…" }),
    flag("share_to_feed", "Show in the feed (else Instagram decides)"),
    flag("trial", "Trial reel"),
    DISCLOSURE,
  ],
  facebook: [
    choice("page_id", "Page", [], { below: "pages", isRequired: true }),
    REEL_OR_STORY,
    comment(5_000),
    text("link", "Link", { hint: "https://…" }),
    DISCLOSURE,
  ],
  linkedin: [choice("page_id", "Post as", [["", "Yourself"]], { below: "pages", fallback: "" }), DISCLOSURE],
  tiktok: [
    choice("privacy_level", "Who may see it", [
      ["SELF_ONLY", "Only you"],
      ["MUTUAL_FOLLOW_FRIENDS", "Friends"],
      ["FOLLOWER_OF_CREATOR", "Followers"],
      ["PUBLIC_TO_EVERYONE", "Everyone"],
    ], { isRequired: true }),
    flag("is_ai_generated", "Labelled as made with AI", { fallback: true, isFirst: true }),
    text("title", "Title", { limit: [90, "UTF-16 units"] }),
    flag("is_draft", "As a draft in the app"),
    flag("disabled_comments", "No comments"),
    flag("disabled_duet", "No duets"),
    flag("disabled_stitch", "No stitches"),
    flag("is_branded_content", "Paid partnership"),
    flag("is_your_brand", "Promotes your own brand"),
  ],
  youtube: [
    text("title", "Title", { isRequired: true, isFirst: true, limit: [100, "characters"] }),
    choice("privacy_status", "Who may see it", [["private", "Only you"], ["unlisted", "With the link"], ["public", "Everyone"]], {
      fallback: "private",
    }),
    flag("contains_synthetic_media", "Labelled as made with AI", { fallback: true, isFirst: true }),
    choice("playlist_ids", "Playlist", [["", "None"]], { below: "playlists", fallback: "", isFirst: false }),
    text("thumbnail_url", "Address of a thumbnail", { hint: "https://…" }),
    flag("should_notify_subscribers", "Tell subscribers"),
    flag("is_made_for_kids", "Made for kids"),
  ],
  pinterest: [
    choice("board_id", "Board", [], { below: "boards", isRequired: true }),
    text("title", "Title", { limit: [100, "characters"] }),
    altText(500),
    text("link", "Link", { hint: "https://…" }),
    DISCLOSURE,
  ],
  threads: [
    choice("reply_control", "Who may reply", [
      ["", "As set there"],
      ["everyone", "Everyone"],
      ["accounts_you_follow", "Accounts you follow"],
      ["mentioned_only", "Those mentioned"],
    ], { fallback: "", isFirst: false }),
    DISCLOSURE,
  ],
  bluesky: [DISCLOSURE],
};

/** A count of a caption by one of its network's rules. */
export interface Measure {
  count: number;
  most: number;
  unit: string;
}

const LIMITS: Record<string, readonly (readonly [number, Unit])[]> = {
  twitter: [[280, "characters as X weighs them"]],
  instagram: [[2_200, "characters"]],
  facebook: [[63_206, "characters"]],
  linkedin: [[3_000, "characters"]],
  tiktok: [[2_200, "UTF-16 units"]],
  youtube: [[5_000, "bytes"]],
  pinterest: [[500, "characters"]],
  threads: [[500, "bytes"]],
  bluesky: [[300, "graphemes"], [3_000, "bytes"]],
};

export const isStory = ({ platform, fields }: Target): boolean => platform === "instagram" && fields.media_type === "story";

/** Write a caption as it will be posted: with the prompt and the AI note in their places. */
export function writeCaption({ fields }: Target, template: string, prompt: string): string {
  const caption = template.replaceAll("{prompt}", () => prompt);
  return fields.disclosure ? `${caption}\n${String(fields.disclosure)}` : caption;
}

/** Measure a caption: its length first, then what else its network limits, where there is some. */
export function measure(target: Target, caption: string): Measure[] {
  if (isStory(target)) return [];
  const { platform, fields } = target;
  const comment = String(fields.first_comment ?? "");
  const measures: Measure[] = (LIMITS[platform] ?? []).map(([most, unit]) => ({
    count: UNITS[unit](caption),
    most: fields.premium ? 25_000 : most,
    unit,
  }));
  const add = (count: number, most: number, unit: string) => count && measures.push({ count, most, unit });
  if (platform === "instagram") {
    add(countHashtags(caption) + countHashtags(comment), 5, "hashtags");
    add(countMentions(caption) + countMentions(comment), 20, "mentions");
  }
  if (platform === "threads") add(countLinks(caption), 3, "links");
  return measures;
}

/** Say why a network would refuse a caption, in the words of the API; empty if it would not. */
export function findFault(target: Target, caption: string): string {
  const over = measure(target, caption).find(({ count, most }) => count > most);
  if (over) return `At most ${over.most} ${over.unit}, got ${over.count}.`;
  if (target.platform === "youtube" && /[<>]/.test(caption)) return "No < or > in a description.";
  if (target.platform === "twitter" && /[\ufeff\ufffe\uffff]/.test(caption)) return "X refuses one of its invisible characters.";
  return "";
}
