// What was found in a file: what cannot be made and why, and what the rest costs, before anything is spent.
import { formatMoney } from "../format";
import { usage } from "../models";
import { Button, IconButton } from "../ui/Button";
import { say } from "../ui/Toast";
import type { Check } from "./calls";
import { chooseAgain, forget, isMaking, make, type Sheet } from "./sheet";

export const count = (number: number, what: string): string => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

export function Checked({ name, found, error }: Sheet) {
  return (
    <section class="checked" aria-label="The file">
      <div class="row">
        <h2 dir="auto">{name}</h2>
        <IconButton icon="close" label="Put the file away" onClick={forget} />
      </div>
      <div role="status">
        {!found && !error && <p class="note">Uploading, and checking each row…</p>}
        {found && <Verdict found={found} />}
        {error && (
          <p class="note bad" dir="auto">
            {error}
          </p>
        )}
      </div>
      {found && found.errors.length > 0 && <Refused found={found} />}
      {found && found.accepted > 0 && <Send found={found} />}
      {error && !found && (
        <div class="row">
          <Button onClick={chooseAgain}>Try again</Button>
        </div>
      )}
    </section>
  );
}

const Verdict = ({ found }: { found: Check }) => (
  <>
    <p>
      {found.refused ? `${count(found.refused, "row")} of ${found.rows} cannot be made.` : `${found.rows === 1 ? "The row" : `All ${found.rows} rows`} can be made.`}
      {!found.complete && ` The file is long: these are its first ${found.rows} rows. The others are checked when they are made.`}
    </p>
    {found.accepted > 0 && (
      <p class="sum">
        <strong>{formatMoney(found.cost_estimate_usd)}</strong>{" "}
        <span>
          for {count(found.accepted, "video")}
          {found.left_usd !== null && `, of ${formatMoney(found.left_usd)} that are left today`}
        </span>
      </p>
    )}
    {!found.fits_budget && (
      <p class="note bad">
        They reserve {formatMoney(found.reserved_usd)}. What today’s budget has no room for is refused, and can be made{" "}
        {usage.value ? `after ${new Date(usage.value.renews_at).toLocaleString()}` : "tomorrow"}.
      </p>
    )}
  </>
);

const Refused = ({ found }: { found: Check }) => (
  <>
    <div class="table" tabIndex={0} role="region" aria-label="Rows that cannot be made">
      <table>
        <thead>
          <tr>
            <th scope="col">Row</th>
            <th scope="col">Field</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {found.errors.map((error) => (
            <tr key={error.row}>
              <td class="place">
                {error.row}
                <small dir="auto">{error.custom_id?.slice(0, 40) ?? `line ${error.line}`}</small>
              </td>
              <td>
                <code>{error.param}</code>
              </td>
              <td dir="auto">{error.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    {found.refused > found.errors.length && <p class="note">The first {found.errors.length} are shown.</p>}
  </>
);

function Send({ found }: { found: Check }) {
  const send = async () => {
    if (!(await make())) return;
    say("The batch is on its way.");
    document.getElementById("batches")?.focus();
  };
  return (
    <div class="row">
      <Button look="primary" isBusy={isMaking.value} onClick={() => void send()}>
        {found.complete ? `Make ${count(found.accepted, "video")}` : "Make all videos"}
      </Button>
      {found.refused > 0 && <p class="note">The rows above are left out. Or correct the file, and choose it again.</p>}
    </div>
  );
}
