import { Grid } from "../video/Grid";

const RATIOS = Array.from({ length: 8 }, (_, number) => (number % 3 === 1 ? 16 / 9 : 9 / 16));

/** Cards in the sizes of real ones, so that nothing moves when those come. */
export const CardSkeletons = () => (
  <Grid class="skeleton" isHidden ratios={RATIOS} nameCard={String} drawCard={() => BONES} />
);

const BONES = (
  <>
    <div class="poster" />
    <div class="caption">
      <span />
      <span />
    </div>
  </>
);
