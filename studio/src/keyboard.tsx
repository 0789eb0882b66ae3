// Keys for the whole page; none of them works while a text is typed.
import { signal } from "@preact/signals";
import { go, openVideoId, route } from "./route";
import { Dialog } from "./ui/Dialog";
import { clearSelection, toggle } from "./video/selection";
import { goToNeighbour } from "./pages/video";

const isHelpOpen = signal(false);

const KEYS = [
  ["n", "New video"],
  ["/", "Search"],
  ["← → ↑ ↓ or j k", "Move among the videos"],
  ["Enter", "Open"],
  ["x", "Select"],
  ["Esc", "Close, or clear the selection"],
  ["Ctrl or ⌘ + Enter", "Send the form"],
  ["?", "This list"],
] as const;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], video") !== null;

export function startKeyboard(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
    const isDialogOpen = document.querySelector("dialog[open]") !== null;
    if (isDialogOpen ? pressInDialog(event.key) : pressOnPage(event.key)) event.preventDefault();
  });
}

function pressInDialog(key: string): boolean {
  const step = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[key];
  if (!step || !openVideoId.value) return false;
  goToNeighbour(step);
  return true;
}

function pressOnPage(key: string): boolean {
  switch (key) {
    case "?":
      isHelpOpen.value = true;
      return true;
    case "n":
      go("/make", { query: route.value.query });
      return true;
    case "/":
      document.querySelector<HTMLElement>("#search")?.focus();
      return true;
    case "Escape":
      clearSelection();
      if (route.value.path === "/make") go("/");
      return true;
    case "x": {
      const id = document.activeElement?.closest<HTMLElement>(".card")?.dataset.id;
      if (id) toggle(id);
      return Boolean(id);
    }
    default:
      return moveFocus(key);
  }
}

/** Move the focus among the cards as they lie on the page. */
function moveFocus(key: string): boolean {
  const step = { j: "next", ArrowRight: "next", k: "previous", ArrowLeft: "previous", ArrowDown: "down", ArrowUp: "up" }[key];
  if (!step) return false;
  const cards = [...document.querySelectorAll<HTMLElement>("a.poster")];
  const at = cards.indexOf(document.activeElement as HTMLElement);
  if (at < 0) {
    // Arrows scroll until a card has the focus.
    if (key.startsWith("Arrow")) return false;
    cards[0]?.focus();
    return cards.length > 0;
  }
  const next = step === "next" ? cards[at + 1] : step === "previous" ? cards[at - 1] : findInRow(cards, at, step === "down" ? 1 : -1);
  next?.focus();
  return true;
}

/** The card in the row below or above whose middle is nearest. */
function findInRow(cards: readonly HTMLElement[], at: number, direction: 1 | -1): HTMLElement | undefined {
  const here = cards[at]!.getBoundingClientRect();
  const middle = (box: DOMRect) => box.left + box.width / 2;
  let best: HTMLElement | undefined;
  let row: number | undefined;
  for (let index = at + direction; index >= 0 && index < cards.length; index += direction) {
    const box = cards[index]!.getBoundingClientRect();
    if (Math.abs(box.top - here.top) < 2) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 2) break;
    if (!best || Math.abs(middle(box) - middle(here)) < Math.abs(middle(best.getBoundingClientRect()) - middle(here))) best = cards[index];
  }
  return best;
}

export function KeyboardHelp() {
  if (!isHelpOpen.value) return null;
  return (
    <Dialog label="Keys" class="question" onClose={() => (isHelpOpen.value = false)}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

export const openHelp = (): void => {
  isHelpOpen.value = true;
};
