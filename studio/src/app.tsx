// The frame around every page: header, banner, the form beside the page, and what lies above all of it.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { trouble } from "./api";
import { KeyboardHelp, openHelp } from "./keyboard";
import { usage } from "./models";
import { findPage, PAGES } from "./pages";
import { Make } from "./pages/make";
import { SignIn } from "./pages/signin";
import { OpenVideo } from "./pages/video";
import { formatMoney } from "./format";
import { go, link, route } from "./route";
import { key, signOut } from "./session";
import { Button, IconButton } from "./ui/Button";
import { isDialogOpen, Questions } from "./ui/Dialog";
import { Mark } from "./ui/Icon";
import { Toasts } from "./ui/Toast";

const wide = matchMedia("(min-width: 64rem)");
const isWide = signal(wide.matches);
wide.addEventListener("change", () => (isWide.value = wide.matches));

export function App() {
  if (!key.value)
    return (
      <>
        <Banner />
        <SignIn />
      </>
    );
  const { path } = route.value;
  const isForm = path === "/make";
  const page = findPage(path);
  const hasForm = isForm || (isWide.value && page.path === "/");
  return (
    <>
      <Header />
      <Banner />
      <main class={hasForm ? "workspace with-form" : "workspace"}>
        {hasForm && <Make />}
        {(isWide.value || !isForm) && <page.component />}
      </main>
      <OpenVideo />
      <KeyboardHelp />
      <Questions />
      {!isDialogOpen.value && <Toasts />}
    </>
  );
}

function Header() {
  const { path } = route.value;
  const here = findPage(path).path;
  const pages = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the name of a page may be out of sight.
    const current = pages.current?.querySelector<HTMLElement>("[aria-current]");
    if (current) pages.current!.scrollLeft = current.offsetLeft - pages.current!.offsetLeft - 60;
  }, [here]);
  return (
    <header>
      <a class="brand" href="#/" onClick={(event) => (event.preventDefault(), go("/"))} aria-label="MediaPoster Studio">
        <Mark />
        <span>MediaPoster</span>
      </a>
      <nav aria-label="Pages" ref={pages}>
        {PAGES.map(({ path: to, title, count }) => (
          <a
            key={to}
            href={link(to)}
            aria-current={to === here && path !== "/make" ? "page" : undefined}
            onClick={(event) => (event.preventDefault(), go(to))}
          >
            {title}
            {count && count() > 0 && <span class="count">{count()}</span>}
          </a>
        ))}
      </nav>
      <Budget />
      <IconButton class="wide-only" icon="keyboard" label="Keys" onClick={openHelp} />
      <IconButton class="out" icon="signout" label="Sign out" onClick={() => signOut()} />
      <Button class="new" look="primary" icon="plus" onClick={() => go("/make", { query: route.value.query })}>
        <span>
          New<span> video</span>
        </span>
      </Button>
    </header>
  );
}

/** What today cost so far, of what it may cost; it leads to the whole of it. */
function Budget() {
  const today = usage.value;
  if (!today) return <p class="budget" />;
  const renews = new Date(today.renews_at).toLocaleTimeString(undefined, { timeStyle: "short" });
  // A request needs room in both: what this key may spend, and what all keys together may.
  const rooms = [today.left_usd, today.stack_left_usd].filter((room) => room != null).sort((one, other) => Number(one) - Number(other));
  const left = rooms.length ? `${formatMoney(rooms[0])} is left until ${renews}. ` : "";
  return (
    <a
      class="budget"
      href={link("/usage")}
      onClick={(event) => (event.preventDefault(), go("/usage"))}
      title={`${left}Reserved for videos that run: ${formatMoney(today.promised_usd)}.`}
    >
      <strong>{formatMoney(today.spent_usd)}</strong> {today.limit_usd ? `of ${formatMoney(today.limit_usd)} today` : rooms.length ? `today, ${formatMoney(rooms[0])} left` : "today"}
    </a>
  );
}

const Banner = () => (
  <div class="banner" role="status">
    {trouble.value === "offline" && <p>You are offline. Nothing is lost; the studio goes on when the network is back.</p>}
    {trouble.value === "busy" && <p>The API asks for patience. The studio tries again by itself.</p>}
  </div>
);
