import { lazily } from "../lazily";
import { formatMoney } from "../format";

export interface Day {
  day: string;
  cost: number;
  videos: number;
}

const short = lazily(() => new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" }));
const writeDay = (day: string): string => short().format(new Date(day));

/** What each day cost, as bars. The tables beneath say the same. */
export function Chart({ days }: { days: readonly Day[] }) {
  const width = days.length > 7 ? 0.72 : 0.36;
  const most = Math.max(...days.map(({ cost }) => cost));
  return (
    <figure class="chart">
      <figcaption>{most ? `${formatMoney(String(most))} on the dearest day` : "Nothing was spent"}</figcaption>
      <svg viewBox={`0 0 ${days.length} 100`} preserveAspectRatio="none" role="img" aria-label="Spending by day">
        {days.map(({ day, cost, videos }, number) => (
          <g key={day}>
            <title>{`${writeDay(day)}: ${formatMoney(String(cost))}, ${videos} videos`}</title>
            <rect class="space" x={number} width="1" height="100" />
            {cost > 0 && <rect class="spent" x={number + (1 - width) / 2} width={width} y={100 - (cost / most) * 100} height={(cost / most) * 100} />}
          </g>
        ))}
      </svg>
      <p aria-hidden="true">
        <span>{writeDay(days[0]!.day)}</span>
        <span>today</span>
      </p>
    </figure>
  );
}
