// The pages. To add one: its file here, and its line below.
import type { ComponentType } from "preact";
import { waitingForYou } from "../store";
import { Approvals } from "./approvals";
import { Batches } from "./batches";
import { Library } from "./library";
import { Schedules } from "./schedules";
import { Spending } from "./usage";

interface Page {
  path: string;
  component: ComponentType;
  title: string;
  /** A number beside its name in the navigation; 0 shows nothing. */
  count?: () => number;
}

export const PAGES: readonly Page[] = [
  { path: "/", title: "Library", component: Library },
  { path: "/approvals", title: "Approvals", component: Approvals, count: () => waitingForYou.value.length },
  { path: "/schedules", title: "Schedule", component: Schedules },
  { path: "/batches", title: "Batches", component: Batches },
  { path: "/usage", title: "Spending", component: Spending },
];

/** Find the page of a path, or of what is below it. One video and the form are shown with the library. */
export const findPage = (path: string): Page =>
  PAGES.find((page) => page.path === path || path.startsWith(`${page.path}/`)) ?? PAGES[0]!;
