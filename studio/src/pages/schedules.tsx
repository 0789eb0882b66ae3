// Scheduled posts by day, in the time zone of the browser, beside the month that they are in.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { minute } from "../clock";
import { loadAccounts, nameAccount } from "../accounts";
import { listSchedules, moreSchedules, nameOf, schedules } from "../posting";
import { go, link } from "../route";
import { findVideo } from "../store";
import { dayOf, describeZone, formatClock, formatMonth, nameDay } from "../times";
import type { Post } from "../types";
import { Button, IconButton } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Schedule } from "../video/PostActions";
import { nameNetwork } from "../video/words";
import "../styles/posts.css";

const error = signal("");
const list = (after?: string) =>
  listSchedules(after).then(() => (error.value = ""), (failure: unknown) => (error.value = (failure as Error).message));

export function Schedules() {
  useEffect(() => {
    void list();
    loadAccounts();
  }, []);
  return (
    <section class="schedules" aria-label="Schedule">
      <div class="heading">
        <h1>Schedule</h1>
        <p>Times are in {describeZone()}</p>
      </div>
      <Days />
      <p class="note">
        Series, which make videos at fixed times, are changed on the command line: <code>mediaposter schedule</code>.
      </p>
    </section>
  );
}

function Days() {
  const posts = schedules.value;
  if (error.value)
    return (
      <EmptyState icon="warning" title="The schedule cannot be shown">
        <p dir="auto">{error.value}</p>
        <Button onClick={() => void list()}>Try again</Button>
      </EmptyState>
    );
  if (!posts) return <div class="days skeleton" />;
  if (!posts.length)
    return (
      <EmptyState icon="clock" title="Nothing is scheduled">
        <p>Posts with a time in the future appear here once their video is ready and approved.</p>
      </EmptyState>
    );
  const days = new Map<string, Post[]>();
  for (const post of posts) {
    const day = dayOf(new Date(post.scheduled_time!));
    days.set(day, [...(days.get(day) ?? []), post]);
  }
  return (
    <div class="calendar">
      <Month days={days} />
      <div class="days">
        {[...days].map(([day, those]) => (
          <section key={day} id={`day-${day}`} tabIndex={-1} aria-labelledby={`name-${day}`}>
            <h2 id={`name-${day}`}>{nameDay(day, minute.value)}</h2>
            <ul>
              {those.map((post) => (
                <Slot key={nameOf(post)} post={post} />
              ))}
            </ul>
          </section>
        ))}
        {moreSchedules.value && <Button onClick={() => void list(moreSchedules.value!)}>Show more</Button>}
      </div>
    </div>
  );
}

function Slot({ post }: { post: Post }) {
  const video = findVideo(post.video_id);
  const path = `/videos/${post.video_id}`;
  return (
    <li class="slot">
      <time dateTime={post.scheduled_time!}>{formatClock(new Date(post.scheduled_time!))}</time>
      <a class="thumb" href={link(path)} onClick={(event) => (event.preventDefault(), go(path))} aria-label={`Open the video: ${(video?.prompt ?? post.text).slice(0, 80)}`}>
        {video?.links && <img src={video.links.thumbnail} alt="" loading="lazy" />}
      </a>
      <div>
        <p>
          <strong>{nameNetwork(post.platform)}</strong> <span class="account" dir="auto">{nameAccount(post.platform, post.account_id)}</span>
        </p>
        <p class="words" dir="auto">
          {post.text.slice(0, 300)}
        </p>
        <Schedule post={post} />
      </div>
    </li>
  );
}

// The month: a press on a day goes to its posts.

/** How many months from now; the first post's until another is chosen. */
const shown = signal<number | null>(null);
const WEEKDAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

function Month({ days }: { days: ReadonlyMap<string, readonly Post[]> }) {
  const today = new Date(minute.value);
  const soonest = new Date(`${[...days.keys()][0]}T12:00`);
  const months = shown.value ?? (soonest.getFullYear() - today.getFullYear()) * 12 + soonest.getMonth() - today.getMonth();
  const first = new Date(today.getFullYear(), today.getMonth() + months, 1);
  const count = new Date(first.getFullYear(), first.getMonth() + 1, 0).getDate();
  const empty = (first.getDay() + 6) % 7;
  const open = (day: string) => {
    const section = document.getElementById(`day-${day}`);
    section?.scrollIntoView({ block: "start" });
    section?.focus({ preventScroll: true });
  };
  return (
    <div class="month" role="group" aria-label={`Month: ${formatMonth(first)}`}>
      <div class="row">
        <strong>{formatMonth(first)}</strong>
        <IconButton icon="left" label="The month before" disabled={months <= 0} onClick={() => (shown.value = months - 1)} />
        <IconButton icon="right" label="The next month" onClick={() => (shown.value = months + 1)} />
      </div>
      <div class="cells">
        {WEEKDAYS.map((name) => (
          <span key={name} aria-hidden="true">
            {name}
          </span>
        ))}
        {Array.from({ length: count }, (_, at) => {
          const date = new Date(first.getFullYear(), first.getMonth(), at + 1, 12);
          const day = dayOf(date);
          const posts = days.get(day)?.length ?? 0;
          const style = at === 0 ? { gridColumnStart: empty + 1 } : undefined;
          const name = dayOf(today) === day ? "today" : "";
          return posts ? (
            <button key={day} type="button" class={name} style={style} aria-label={`${nameDay(day, minute.value)}: ${posts} ${posts === 1 ? "post" : "posts"}`} onClick={() => open(day)}>
              {at + 1}
              <i>{posts}</i>
            </button>
          ) : (
            <span key={day} class={name} style={style} aria-hidden="true">
              {at + 1}
            </span>
          );
        })}
      </div>
    </div>
  );
}
