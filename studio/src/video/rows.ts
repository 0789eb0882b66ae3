// How cards lie in rows, reckoned without the page: so cards out of sight need not be in it.

/** What the grid has room for, in pixels. */
export interface Box {
  width: number;
  /** Where the grid begins on the page. */
  top: number;
  /** Between two cards of a row, and between two rows. */
  gap: number;
  rowGap: number;
  /** What stands below the picture of a card. */
  below: number;
  rem: number;
}

/** One row: its cards from `first` to before `end`, the height of their pictures, and where it lies. */
export interface Row {
  first: number;
  end: number;
  height: number;
  top: number;
}

const WIDEST = 16 / 9;
/** A row that is not full is stretched by no more. */
const STRETCH_MAX = 1.6;
const PHONE_REM = 34;
const PHONE_ROW_REM = 16;

/** How high rows would like to be: two to four videos of 16:9 fit beside each other, where there is room. */
function chooseHeight({ width, gap, rem }: Box): number {
  if (width <= PHONE_REM * rem) return PHONE_ROW_REM * rem;
  const across = width >= 96 * rem ? 4 : width >= 62 * rem ? 3 : 2;
  return (width - (across - 1) * gap - 1) / across / WIDEST;
}

/** Lay cards in rows, each card as wide as its shape asks for; the rows are stretched to the whole width. */
export function layRows(ratios: readonly number[], box: Box): Row[] {
  const wanted = chooseHeight(box);
  const rows: Row[] = [];
  let top = 0;
  for (let first = 0; first < ratios.length; ) {
    let sum = ratios[first]!;
    let end = first + 1;
    for (; end < ratios.length; end++) {
      const next = sum + ratios[end]!;
      if (next * wanted + (end - first) * box.gap > box.width) break;
      sum = next;
    }
    const room = (box.width - (end - first - 1) * box.gap) / sum;
    // The last row keeps its height, and gets more cards with the next page.
    const height = Math.min(room, end < ratios.length ? wanted * STRETCH_MAX : wanted);
    rows.push({ first, end, height, top });
    top += height + box.below + box.rowGap;
    first = end;
  }
  return rows;
}

/** The row that reaches beyond a place. */
export function findRow(rows: readonly Row[], isBeyond: (row: Row) => boolean): number {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBeyond(rows[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
