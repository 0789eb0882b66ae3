// Spending: today's budget, and what was spent by day and by model. The range is in the address.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { readUsage } from "../api";
import { minute } from "../clock";
import { formatMoney } from "../format";
import { usage } from "../models";
import { route, setQuery } from "../route";
import type { Usage } from "../types";
import { Button } from "../ui/Button";
import { Choices } from "../ui/Field";
import { Chart, type Day } from "../usage/Chart";

const RANGES = ["7", "30", "90"];
const DAY_MS = 86_400_000;

const spent = signal<Usage | null>(null);
const error = signal("");

const writeDay = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Ask for the range; today's figures go to the header, too. */
function load(range: number): void {
  error.value = "";
  readUsage(writeDay(Date.now() - (range - 1) * DAY_MS)).then(
    (answer) => (usage.value = spent.value = answer),
    (failed: unknown) => (error.value = (failed as Error).message),
  );
}

export function Spending() {
  const asked = route.value.query.get("days") ?? "";
  const days = RANGES.includes(asked) ? asked : "30";
  useEffect(() => load(Number(days)), [days]);
  useEffect(() => () => void (spent.value = null), []);
  return (
    <section class="page" aria-label="Spending">
      <h1>Spending</h1>
      <Today />
      <Choices
        label="Range"
        value={days}
        options={RANGES.map((value) => ({ value, label: `${value} days` }))}
        onChange={(value) => setQuery({ days: value === "30" ? "" : value })}
      />
      {error.value ? (
        <p class="row note bad" role="alert">
          <span dir="auto">{error.value}</span>
          <Button onClick={() => load(Number(days))}>Try again</Button>
        </p>
      ) : (
        spent.value && <Range answer={spent.value} range={Number(days)} />
      )}
    </section>
  );
}

function Today() {
  const today = usage.value;
  if (!today) return <dl class="figures" />;
  return (
    <dl class="figures">
      <Figure name="Spent today" value={formatMoney(today.spent_usd)} note={today.videos === 1 ? "1 video" : `${today.videos} videos`} />
      {Number(today.promised_usd) > 0 && <Figure name="Reserved" value={formatMoney(today.promised_usd)} note="for videos that run" />}
      {today.limit_usd ? (
        <Figure name="Left today" value={formatMoney(today.left_usd)} note={`of ${formatMoney(today.limit_usd)}, renews ${describeRenewal(today.renews_at)}`} part={readPart(today.left_usd, today.limit_usd)} />
      ) : (
        <Figure name="Your budget" value="No limit" note={`the day ends ${describeRenewal(today.renews_at)}`} />
      )}
      {today.stack_limit_usd && (
        <Figure name="Left for all keys" value={formatMoney(today.stack_left_usd)} note={`of ${formatMoney(today.stack_limit_usd)}`} part={readPart(today.stack_left_usd, today.stack_limit_usd)} />
      )}
    </dl>
  );
}

const readPart = (left: string | null, limit: string): number => Math.min(Math.max(Number(left) / Number(limit), 0), 1) || 0;

/** The days are those of UTC: people would read its clock wrong. */
function describeRenewal(at: string): string {
  const minutes = Math.max(1, Math.round((new Date(at).getTime() - minute.value) / 60_000));
  return `in ${minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`}`;
}

const Figure = ({ name, value, note, part }: { name: string; value: string; note: string; part?: number }) => (
  <div>
    <dt>{name}</dt>
    <dd>
      <strong>{value}</strong>
      {part !== undefined && (
        <span class="tally" aria-hidden="true">
          <i class="in_progress" style={{ flexGrow: part }} />
          <b style={{ flexGrow: 1 - part }} />
        </span>
      )}
      <small>{note}</small>
    </dd>
  </div>
);

function Range({ answer, range }: { answer: Usage; range: number }) {
  const days = Array.from({ length: range }, (_, number): Day => {
    const day = writeDay(new Date(answer.today).getTime() - (range - 1 - number) * DAY_MS);
    const lines = answer.days.filter((line) => line.day === day);
    return { day, ...add(lines) };
  });
  const models = [...new Set(answer.days.map(({ model }) => model))]
    .map((model) => ({ model, ...add(answer.days.filter((line) => line.model === model)) }))
    .sort((one, other) => other.cost - one.cost);
  const total = add(answer.days);
  return (
    <>
      <p class="sum">
        <strong>{formatMoney(String(total.cost))}</strong>
        <span>
          for {total.videos === 1 ? "1 video" : `${total.videos} videos`} in {range} days
        </span>
      </p>
      <Chart days={days} />
      {models.length > 0 && (
        <div class="beside">
          <Lines title="By model" rows={models.map(({ model, ...line }) => [model, line])} />
          <Lines title="By day" rows={days.filter((day) => day.videos > 0).reverse().map(({ day, ...line }) => [day, line])} />
        </div>
      )}
    </>
  );
}

const add = (lines: Usage["days"]) => ({
  cost: lines.reduce((sum, line) => sum + Number(line.cost_usd), 0),
  videos: lines.reduce((sum, line) => sum + line.videos, 0),
});

const Lines = ({ title, rows }: { title: string; rows: readonly [string, { cost: number; videos: number }][] }) => (
  <div class="table" tabIndex={0} role="region" aria-label={title}>
    <table>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" class="number">
            Videos
          </th>
          <th scope="col" class="number">
            Cost
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, { videos, cost }]) => (
          <tr key={name}>
            <td dir="auto">{name}</td>
            <td class="number">{videos}</td>
            <td class="number">{formatMoney(String(cost))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
