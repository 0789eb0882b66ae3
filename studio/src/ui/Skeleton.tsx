/** Cards in the sizes of real ones, so that nothing moves when those come. */
export const CardSkeletons = ({ count = 8 }: { count?: number }) => (
  <ul class="grid" aria-hidden="true">
    {Array.from({ length: count }, (_, number) => (
      <li key={number} class="card skeleton" style={{ "--ratio": number % 3 === 1 ? 16 / 9 : 9 / 16 }}>
        <div class="poster" />
        <div class="caption">
          <span />
          <span />
        </div>
      </li>
    ))}
  </ul>
);
