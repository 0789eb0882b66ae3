// Times of posts, in the time zone of the browser.
import { lazily } from "./lazily";

const format = (options: Intl.DateTimeFormatOptions) => lazily(() => new Intl.DateTimeFormat(undefined, options));
const day = format({ weekday: "long", day: "numeric", month: "long" });
const clock = format({ timeStyle: "short" });
const moment = format({ weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const month = format({ month: "long", year: "numeric" });

export const formatClock = (time: Date): string => clock().format(time);
export const formatMoment = (time: Date): string => moment().format(time);
export const formatMonth = (time: Date): string => month().format(time);

const two = (number: number): string => String(number).padStart(2, "0");

/** The day of a time, as 2026-12-24. */
export const dayOf = (time: Date): string => `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;

/** A time as a datetime field has it: without its zone. */
export const toField = (time: Date): string => `${dayOf(time)}T${two(time.getHours())}:${two(time.getMinutes())}`;

/** Name a day, such as 2026-12-24: today and tomorrow by their names. */
export function nameDay(name: string, now: number): string {
  const words = day().format(new Date(`${name}T12:00`));
  if (name === dayOf(new Date(now))) return `Today, ${words}`;
  return name === dayOf(new Date(now + 86_400_000)) ? `Tomorrow, ${words}` : words;
}

/** The browser's zone: Europe/Berlin (GMT+1). */
export function describeZone(): string {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const offset = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts().find(({ type }) => type === "timeZoneName");
  return `${timeZone.replace(/_/g, " ")} (${offset?.value ?? ""})`;
}

/** How long until a time: 23 h, 40 min. */
export function describeLeft(seconds: number): string {
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min`;
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
