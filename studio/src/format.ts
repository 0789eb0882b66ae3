// Numbers and times as people read them.
import { lazily } from "./lazily";

const relative = lazily(() => new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" }));
const absolute = lazily(() => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }));

export const formatMoney = (dollars: string | null | undefined): string => {
  if (dollars === null || dollars === undefined) return "–";
  const amount = Number(dollars);
  return `$${amount.toFixed(amount !== 0 && amount < 0.1 ? 3 : 2).replace(/(\.\d\d)0$/, "$1")}`;
};

export const formatTime = (seconds: number): string => absolute().format(seconds * 1000);

export function formatAge(seconds: number, now: number): string {
  const passed = Math.max(0, now / 1000 - seconds);
  if (passed < 60) return "just now";
  if (passed < 3600) return relative().format(-Math.floor(passed / 60), "minute");
  if (passed < 86_400) return relative().format(-Math.floor(passed / 3600), "hour");
  if (passed < 86_400 * 30) return relative().format(-Math.floor(passed / 86_400), "day");
  return new Date(seconds * 1000).toLocaleDateString();
}

export const formatBytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** Width and height of a size such as 720x1280; a square where it says nothing. */
export function readSize(size: string): { width: number; height: number } {
  const [width, height] = size.split("x").map(Number);
  return width && height ? { width, height } : { width: 1, height: 1 };
}

const ratios = new Map<string, number>();

/** The shape of a size: width by height. */
export function readRatio(size: string): number {
  const known = ratios.get(size);
  if (known) return known;
  const { width, height } = readSize(size);
  ratios.set(size, width / height);
  return width / height;
}

export const formatSize = (size: string): string => size.replace("x", " × ");

/** Name the shape of a size: 9:16 for 720x1280. Sizes that are no whole ratio are named by their nearest. */
export function nameShape(size: string): string {
  const { width, height } = readSize(size);
  const shapes: [string, number][] = [["9:16", 9 / 16], ["16:9", 16 / 9], ["1:1", 1], ["4:3", 4 / 3], ["3:4", 3 / 4], ["21:9", 21 / 9]];
  const distance = ([, ratio]: [string, number]) => Math.abs(Math.log(ratio / (width / height)));
  return shapes.reduce((best, shape) => (distance(shape) < distance(best) ? shape : best))[0];
}
