// The models that can be asked for, and what of today's budget is left.
import { effect, signal } from "@preact/signals";
import { listModels, readUsage } from "./api";
import { key } from "./session";
import { isListed, runningCount } from "./store";
import type { Model, Usage } from "./types";

export const models = signal<readonly Model[]>([]);
export const usage = signal<Usage | null>(null);

export function startModels(): void {
  effect(() => {
    if (key.value) void listModels().then((list) => (models.value = list.data), () => undefined);
  });
  // After the library, and again when something has begun or ended: that is when money is promised or spent.
  effect(() => {
    const isSettled = runningCount.value >= 0;
    if (isSettled && key.value && isListed.value) refreshUsage();
  });
}

/** Ask what today cost; what was known stays if there is no answer. */
export const refreshUsage = (): void => void readUsage().then((read) => (usage.value = read), () => undefined);

/** The offered value that is nearest to the wanted one. */
export const nearest = <Value>(offered: readonly Value[], wanted: Value, distance: (one: Value, other: Value) => number): Value =>
  offered.reduce((best, value) => (distance(value, wanted) < distance(best, wanted) ? value : best), offered[0] ?? wanted);
