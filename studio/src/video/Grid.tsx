// Cards in rows, of which only those near the window are in the page, and those around the card with the focus.
import { batch, computed, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type Box, findRow, layRows, type Row } from "./rows";

/** How far around the window cards are in the page, in pixels. */
const AROUND = 800;
/** The page follows a scroll in steps of so many pixels. */
const STEP = 200;

/** What the last grid had room for: one that comes back has its whole height at once, so Back finds its place. */
const box = signal<Box | null>(null);
const readScroll = () => Math.floor(scrollY / STEP) * STEP;
const scrolled = signal(readScroll());
const windowHeight = signal(innerHeight);
/** After a jump the cards in the window come first, and those around it when the scrolling pauses. */
const reach = signal(AROUND);
const PAUSE_MS = 100;
let pause: ReturnType<typeof setTimeout> | undefined;

function follow(): void {
  const next = readScroll();
  const isJump = Math.abs(next - scrolled.peek()) > AROUND;
  if (isJump) {
    clearTimeout(pause);
    pause = setTimeout(() => (reach.value = AROUND), PAUSE_MS);
  }
  batch(() => {
    if (isJump) reach.value = 0;
    scrolled.value = next;
  });
}
addEventListener("scroll", follow, { passive: true });
addEventListener("resize", () => (windowHeight.value = innerHeight));

/** The card that had the focus last. Its row stays, or the focus would be lost with it. */
const focused = signal("");

interface GridProps {
  /** The shape of each card: width by height. */
  ratios: readonly number[];
  nameCard: (index: number) => string;
  drawCard: (index: number) => ComponentChildren;
  /** Where a card is by its name, or -1. */
  findCard?: (name: string) => number;
  /** Cards that are to come are none that could be read aloud. */
  isHidden?: boolean;
  /** How many there are in all, if that is known. */
  count?: number;
  class?: string;
}

export function Grid({ ratios, nameCard, drawCard, findCard, isHidden, count = -1, class: more = "" }: GridProps) {
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    const measure = () => (box.value = readBox(list.current!));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  const room = box.value;
  const rows = useMemo(() => (room ? layRows(ratios, room) : []), [ratios, room]);
  const last = rows.at(-1);
  return (
    <ul
      ref={list}
      class={`grid ${more}`}
      aria-hidden={isHidden}
      style={{ height: last && room ? `${last.top + last.height + room.below}px` : undefined }}
      onFocusIn={(event) => (focused.value = (event.target as Element).closest<HTMLElement>(".card")?.dataset.id ?? "")}
    >
      {room &&
        rows.length > 0 &&
        listShown(rows, room, focused.value ? (findCard?.(focused.value) ?? -1) : -1).flatMap((row) => {
          let left = 0;
          return Array.from({ length: row.end - row.first }, (_, at) => {
            const index = row.first + at;
            const width = ratios[index]! * row.height;
            const place = { left: `${left}px`, top: `${row.top}px`, width: `${width}px`, "--height": `${row.height}px` };
            left += width + room.gap;
            const name = nameCard(index);
            return (
              <li key={name} class="card" data-id={name} style={place} aria-posinset={index + 1} aria-setsize={count}>
                {drawCard(index)}
              </li>
            );
          });
        })}
    </ul>
  );
}

const around = computed(() => [scrolled.value - reach.value, scrolled.value + STEP + windowHeight.value + reach.value] as const);

/** The rows that are in the page, from the first to the last. */
function listShown(rows: readonly Row[], room: Box, kept: number): Row[] {
  const [from, to] = around.value;
  const first = findRow(rows, (row) => row.top + row.height + room.below > from - room.top);
  const last = findRow(rows, (row) => row.top + row.height + room.below > to - room.top);
  const shown = rows.slice(first, last + 1);
  const at = kept < 0 ? -1 : findRow(rows, (row) => row.end > kept);
  if (at < 0) return shown;
  // The rows beside it stay, too: the focus moves there.
  const before = rows.slice(Math.max(at - 1, 0), Math.min(at + 2, first));
  const after = rows.slice(Math.max(at - 1, last + 1), Math.max(at + 2, last + 1));
  return [...before, ...shown, ...after];
}

function readBox(list: HTMLElement): Box {
  const style = getComputedStyle(list);
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const { width, top } = list.getBoundingClientRect();
  const known = box.value;
  const next: Box = {
    width,
    top: top + scrollY,
    gap: parseFloat(style.columnGap),
    rowGap: parseFloat(style.rowGap),
    below: BELOW_REM * rem,
    rem,
  };
  const isSame = known && (Object.keys(next) as (keyof Box)[]).every((name) => known[name] === next[name]);
  return isSame ? known : next;
}

/** The height of a card's words (library.css). */
const BELOW_REM = 3.9125;
