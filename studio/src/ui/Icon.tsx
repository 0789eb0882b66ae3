// Icons: one path each, drawn in the colour of the text.
const PATHS = {
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM20 20l-4-4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  download: "M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M5 20h14",
  trash: "M5 7h14M10 7V4h4v3m-7 0l1 13h8l1-13",
  warning: "M12 4L2.8 20h18.4zM12 10v4.5m0 2.7v.1",
  stop: "M12 21a9 9 0 100-18 9 9 0 000 18zM9 9h6v6H9z",
  left: "M14.5 5l-7 7 7 7",
  right: "M9.5 5l7 7-7 7",
  external: "M9 6H5v13h13v-4M13 4h7v7M20 4l-9 9",
  signout: "M10 4H5v16h5M9 12h11m0 0l-4-4m4 4l-4 4",
  keyboard: "M3 6h18v12H3zM7 10h.1M11 10h.1M15 10h.1M8 14h8",
  clock: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 7v5l3.5 2",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.2v.1",
  spark: "M12 4l2 6 6 2-6 2-2 6-2-6-6-2 6-2z",
  film: "M4 5h16v14H4zM9 5v14M15 5v14M4 12h16",
} as const;

export type IconName = keyof typeof PATHS;

export const Icon = ({ name, size = 18 }: { name: IconName; size?: number }) => (
  <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
);

/** The mark of the product. */
export const Mark = () => (
  <svg class="mark" width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="9" />
    <path d="M12 9.5v13l11-6.5z" />
  </svg>
);
