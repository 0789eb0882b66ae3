// One call in two seconds for all that is followed, whatever runs.
const BETWEEN_MS = 2_000;
let next = 0;

/** Wait until it is this caller's turn to ask for what changes. */
export function takeTurn(): Promise<void> {
  const at = Math.max(Date.now(), next);
  next = at + BETWEEN_MS;
  return new Promise((resolve) => setTimeout(resolve, at - Date.now()));
}
