// The first picture: drag, paste or pick; seen as the video will begin.
import { useId } from "preact/hooks";
import { change, draft } from "../draft";
import { readSize } from "../format";
import { IconButton } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { ACCEPT, findSpare, picture, pictureError, takePicture } from "./picture";

export const dropPicture = (): void => {
  picture.value = null;
  pictureError.value = "";
  change({ crop: 0.5 });
};

/** Take the first file of a drop or a paste; tell whether there was one. */
export function takeFrom(data: DataTransfer | null): boolean {
  const file = data?.files[0];
  if (file) void takePicture(file).then(() => change({ crop: 0.5 }));
  return Boolean(file);
}

export function FirstPicture({ isTaken, model, error }: { isTaken: boolean; model: string; error: string }) {
  const id = useId();
  const kept = picture.value;
  const said = pictureError.value || (kept && !isTaken ? `${model} begins with no picture. Choose another model, or remove it.` : error);
  return (
    <div class="field first-picture">
      <input
        id={id}
        class="unseen"
        type="file"
        accept={ACCEPT}
        disabled={!isTaken}
        aria-describedby={`${id}-note`}
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) void takePicture(file).then(() => change({ crop: 0.5 }));
          event.currentTarget.value = "";
        }}
      />
      {kept ? (
        <Cut id={id} />
      ) : (
        isTaken && (
          <label class="drop" for={id}>
            <Icon name="image" />
            <span>
              First picture <small>drop, paste or choose</small>
            </span>
          </label>
        )
      )}
      <p id={`${id}-note`} class="note bad" role="alert" dir="auto">
        {said}
      </p>
    </div>
  );
}

/** The picture in the shape of the video. Moving it chooses what is left out. */
function Cut({ id }: { id: string }) {
  const kept = picture.value!;
  const { size, crop } = draft.value;
  const { width, height } = readSize(size);
  const spare = findSpare(kept, size);
  const place = `${crop * 100}%`;
  const move = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    if (!spare || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.getBoundingClientRect();
    const scale = Math.max(box.width / kept.width, box.height / kept.height);
    const [moved, left] =
      spare === "across" ? [event.movementX, kept.width * scale - box.width] : [event.movementY, kept.height * scale - box.height];
    change({ crop: Math.min(1, Math.max(0, draft.value.crop - moved / left)) });
  };
  return (
    <div class="cut">
      <div
        class={spare ? "view movable" : "view"}
        style={{ aspectRatio: `${width} / ${height}`, touchAction: spare === "down" ? "none" : "pan-y" }}
        onPointerDown={(event) => spare && event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={move}
      >
        <img src={kept.url} alt="The video begins with this picture" draggable={false} style={{ objectPosition: `${place} ${place}` }} />
      </div>
      <div>
        <p dir="auto">{kept.name || "Pasted picture"}</p>
        {spare && (
          <label class="note">
            Place
            <input
              type="range"
              min="0"
              max="1"
              step="0.01"
              value={crop}
              onInput={(event) => change({ crop: Number(event.currentTarget.value) })}
            />
          </label>
        )}
        <div class="row">
          <label class="button" for={id}>
            Change
          </label>
          <IconButton icon="trash" label="Remove the picture" onClick={dropPicture} />
        </div>
      </div>
    </div>
  );
}
