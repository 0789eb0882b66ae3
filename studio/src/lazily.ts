/** Make something when it is first wanted: the browser's formatters take long to begin, and the page comes first. */
export function lazily<Made>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => (made ??= make());
}
