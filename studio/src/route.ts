// Where the studio is: a path and its parameters in the fragment, which is never sent to a server.
//
//   #/                          the library
//   #/?status=failed&q=boat     the library, filtered
//   #/videos/video_…            one video, over the library
//   #/make                      the form for a new one
//   #/approvals/video_…         one that waits for an approval: messages link to it
import { computed, signal } from "@preact/signals";

export interface Route {
  path: string;
  query: URLSearchParams;
}

const read = (): Route => {
  const [path = "", query = ""] = location.hash.slice(1).split("?", 2);
  return { path: path.startsWith("/") ? path : "/", query: new URLSearchParams(query) };
};

export const route = signal<Route>(read());
addEventListener("popstate", () => (route.value = read()));

/** The id of the video that is open. */
export const openVideoId = computed(() => /^\/videos\/([\w-]+)$/.exec(route.value.path)?.[1] ?? null);

/** The id of the video whose approval is looked at. */
export const openApprovalId = computed(() => /^\/approvals\/([\w-]+)$/.exec(route.value.path)?.[1] ?? null);

export const link = (path: string, query: URLSearchParams = new URLSearchParams()): string =>
  `#${path}${query.size ? `?${query}` : ""}`;

/** Go somewhere. `replace` leaves no step for Back. */
export function go(path: string, { query, replace = false }: { query?: URLSearchParams; replace?: boolean } = {}): void {
  const address = link(path, query);
  // The state tells `close` whether there is a page of the studio to go back to.
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState({ opened: true }, "", address);
  route.value = read();
}

/** Close what is open over a page: the same as Back, if the studio opened it. */
export function close(): void {
  if ((history.state as { opened?: boolean } | null)?.opened) history.back();
  else go("/", { query: route.value.query, replace: true });
}

/** Change parameters of this address; an empty value removes one. */
export function setQuery(changes: Record<string, string>): void {
  const query = new URLSearchParams(route.value.query);
  for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
  go(route.value.path, { query, replace: true });
}
