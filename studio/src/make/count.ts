// How networks count text (docs/publishing.md). A check of the API has the last word: it knows all top-level domains.
import { lazily } from "../lazily";

/** Emoji as a reader sees them. A pattern as text: TypeScript knows the flag `v` only for newer targets. */
const emojis = lazily(() => new RegExp("\\p{RGI_Emoji}|[0-9#*]\\u20e3", "gv"));
const WIDE = /[^\0-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]/gu;
const NAMES =
  "com|net|org|edu|gov|mil|int|info|biz|name|pro|app|dev|xyz|online|site|shop|store|tech|blog|club|live|news|link|page|" +
  "cloud|video|film|art|design|studio|world|today|media|social|agency|space|website|fun|life|email|group|team|[a-z]{2}";
const PATH_END = "\\p{L}\\p{N}+\\-=_#/";
// A link that X knows: with its protocol, or a bare domain. Its last punctuation is the sentence's.
const LINK = new RegExp(
  "(?<![A-Za-z0-9@＠$#＃])(?:https?://|(?<![-_./]))(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\\.)+" +
    `(?:${NAMES})(?![a-z0-9@+\\-]|\\.[a-z0-9])(?::\\d+)?` +
    `(?:/(?:[${PATH_END}!*';:,.$%~@|&()]*[${PATH_END})])?)?(?:\\?[\\w!?*'@();:&=+$/%#.,~|-]*[\\w\\-&=#/])?`,
  "giu",
);
const LINK_WEIGHT = 23;
const OTHER_LINK = /https?:\/\/\S+/gi;

const weighCharacters = (text: string): number => [...text].length + (text.match(WIDE)?.length ?? 0);

/** Weigh a text as X does: a link is 23, an emoji 2, a character beyond Latin 2. */
function weigh(text: string): number {
  let emoji = 0;
  const rest = text
    .normalize("NFC")
    .replace(LINK, () => (emoji++, ""))
    // One code point is weighed as such.
    .replace(emojis(), (found) => ([...found].length > 1 ? "凧" : found));
  return emoji * LINK_WEIGHT + weighCharacters(rest);
}

const segmenter = lazily(() => new Intl.Segmenter("en"));
/** The last count: a caption is looked at several times while it is typed. */
let segmented = { text: "", count: 0 };

function countGraphemes(text: string): number {
  if (text !== segmented.text) segmented = { text, count: [...segmenter().segment(text)].length };
  return segmented.count;
}

const encoder = new TextEncoder();

export const UNITS = {
  characters: (text: string) => [...text].length,
  "characters as X weighs them": weigh,
  "UTF-16 units": (text: string) => text.length,
  bytes: (text: string) => encoder.encode(text).length,
  graphemes: countGraphemes,
} as const;

export type Unit = keyof typeof UNITS;

const blankLinks = (text: string): string => text.replace(LINK, "x").replace(OTHER_LINK, "x");

/** Count the hashtags: a # that begins a word with a letter or an emoji in it. */
export function countHashtags(text: string): number {
  const words = blankLinks(text).replace(/&#(?:\d+|x[\da-f]+);/gi, " ");
  const chains = words.match(/(?<![\p{L}\p{N}_])(?:[#＃][\p{L}\p{N}\p{M}\p{So}_\u200c\u200d]+)+/gu) ?? [];
  return chains.flatMap((chain) => chain.split(/[#＃]/)).filter((tag) => /[\p{L}\p{So}]/u.test(tag)).length;
}

/** Count the mentions: an @ that begins a word. */
export const countMentions = (text: string): number =>
  blankLinks(text).match(/(?<![\p{L}\p{N}_])[@＠](?=\w)/gu)?.length ?? 0;

/** Count the different links. */
export const countLinks = (text: string): number => new Set(text.match(LINK)).size;
