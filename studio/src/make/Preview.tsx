// A post as its network lays it out: where the words stand, and how many are seen before they are cut.
import { draft, readField } from "../draft";
import { readSize } from "../format";
import { nameNetwork } from "../video/words";
import { nameAccount } from "../accounts";
import { captionOf } from "./captions";
import { isStory, type Target } from "./networks";
import { picture } from "./picture";

/** Words over the video, or below it; elsewhere they stand above it. */
const OVER = ["tiktok", "instagram", "facebook"];
const BELOW = ["youtube", "pinterest"];

export function Preview({ target }: { target: Target }) {
  const { platform, account_id: id } = target;
  const { prompt, size, crop } = draft.value;
  const { width, height } = readSize(size);
  const name = nameAccount(platform, id);
  const title = BELOW.includes(platform) ? readField(target, "title", prompt) : "";
  const place = `${crop * 100}%`;
  return (
    <figure class={`preview ${OVER.includes(platform) ? "over" : BELOW.includes(platform) ? "below" : "above"}`}>
      <figcaption class="unseen">About how it looks on {nameNetwork(platform)}</figcaption>
      <p class="by" dir="auto">
        <i aria-hidden="true">{[...name][0]?.toUpperCase()}</i>
        <b>{name}</b>
      </p>
      <div class="words">
        {title && (
          <p class="title" dir="auto">
            {title}
          </p>
        )}
        {!isStory(target) && (
          <p class="said" dir="auto">
            {captionOf(target)}
          </p>
        )}
      </div>
      <div class="screen" style={{ aspectRatio: `${width} / ${height}` }}>
        {picture.value && <img src={picture.value.url} alt="" style={{ objectPosition: `${place} ${place}` }} />}
      </div>
    </figure>
  );
}
