// The first picture: checked, kept over a reload, and cut to the shape of the video before it is sent.
import { effect, signal } from "@preact/signals";
import { call, makeIdempotencyKey } from "../api";
import { change, draft } from "../draft";
import { formatBytes, readSize } from "../format";
import type { CreateVideo, Upload } from "../types";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
export const ACCEPT = TYPES.join(",");
const FILE_MAX_BYTES = 20 * 2 ** 20;
const SIDE_MIN = 64;
const SIDE_MAX = 8_192;
/** More pixels than the largest video has are of no use. */
const KEPT_SIDE_MAX = 2_048;
/** Larger ones are put to the storage, not into the request. */
const INLINE_MAX_BYTES = 500_000;
const JPEG_QUALITY = 0.92;
const STORED = "mediaposter.picture";

export interface Picture {
  id: string;
  /** A data URL. */
  url: string;
  name: string;
  width: number;
  height: number;
}

export const picture = signal<Picture | null>(restore());
/** Why a picture was not taken. */
export const pictureError = signal("");

function restore(): Picture | null {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Picture | null;
  } catch {
    return null;
  }
}

effect(() => {
  const kept = picture.value;
  try {
    if (kept) sessionStorage.setItem(STORED, JSON.stringify(kept));
    else sessionStorage.removeItem(STORED);
  } catch {
    // It does not fit: the page has it until it is loaded again.
    sessionStorage.removeItem(STORED);
  }
});

const check = (file: File): string => {
  if (!TYPES.includes(file.type)) return "is not a PNG, JPEG or WebP picture.";
  if (file.size > FILE_MAX_BYTES) return `has ${formatBytes(file.size)}; ${formatBytes(FILE_MAX_BYTES)} is the most.`;
  return "";
};

/** Take a file as the first picture, or say why not. */
export async function takePicture(file: File): Promise<void> {
  const refuse = (why: string) => (pictureError.value = `${file.name || "This"} ${why}`);
  const fault = check(file);
  if (fault) return void refuse(fault);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return void refuse("is damaged, or not a picture.");
  }
  const { width, height } = bitmap;
  if (Math.min(width, height) < SIDE_MIN || Math.max(width, height) > SIDE_MAX)
    return void refuse(`is ${width} × ${height} pixels; each side must have ${SIDE_MIN} to ${SIDE_MAX}.`);
  const scale = Math.min(1, KEPT_SIDE_MAX / Math.max(width, height));
  const [keptWidth, keptHeight] = [Math.round(width * scale), Math.round(height * scale)];
  const url = draw(bitmap, [0, 0, width, height], keptWidth, keptHeight).toDataURL("image/jpeg", JPEG_QUALITY);
  bitmap.close();
  pictureError.value = "";
  picture.value = { id: makeIdempotencyKey(), url, name: file.name, width: keptWidth, height: keptHeight };
}

function draw(source: CanvasImageSource, from: readonly [number, number, number, number], width: number, height: number) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d")!;
  // JPEG knows no transparency.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, ...from, 0, 0, width, height);
  return canvas;
}

/** What of a picture is left out by the shape of a size: across or down, or nothing worth a control. */
export function findSpare({ width, height }: Picture, size: string): "across" | "down" | null {
  const wanted = readSize(size);
  const ratio = width / height / (wanted.width / wanted.height);
  if (Math.abs(Math.log(ratio)) < 0.01) return null;
  return ratio > 1 ? "across" : "down";
}

/** Cut a picture to the shape of a size, at that many pixels. */
async function cut(kept: Picture, size: string, at: number): Promise<HTMLCanvasElement> {
  const wanted = readSize(size);
  const image = new Image();
  image.src = kept.url;
  await image.decode();
  const scale = Math.min(kept.width / wanted.width, kept.height / wanted.height);
  const [width, height] = [wanted.width * scale, wanted.height * scale];
  return draw(image, [(kept.width - width) * at, (kept.height - height) * at, width, height], wanted.width, wanted.height);
}

/** Name the cut picture: the same for the same file, shape and place. */
export const namePicture = (): string =>
  picture.value ? `${picture.value.id} ${draft.value.size} ${draft.value.crop}` : "";

/** Give the cut picture as a request has it: in itself when it is small, else uploaded before. */
export async function sendPicture(): Promise<Partial<CreateVideo>> {
  const kept = picture.value;
  if (!kept) return {};
  const { size, crop, upload: known } = draft.value;
  const of = namePicture();
  // Sent again, a request must be the same.
  if (known?.of === of) return { input_reference: { upload_id: known.id } };
  const canvas = await cut(kept, size, crop);
  const url = canvas.toDataURL("image/jpeg", JPEG_QUALITY);
  if ((url.length * 3) / 4 <= INLINE_MAX_BYTES) return { input_reference: { image_url: url } };
  const file = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  const id = await upload(file!);
  change({ upload: { of, id } });
  return { input_reference: { upload_id: id } };
}

async function upload(file: Blob): Promise<string> {
  const body = { content_type: "image/jpeg", size_bytes: file.size };
  const { id, url, headers } = await call<Upload>("/uploads", { method: "POST", body });
  const put = await fetch(url, { method: "PUT", headers, body: file }).catch(() => null);
  if (!put?.ok) throw new Error("The picture could not be uploaded. Nothing was made; try again.");
  return id;
}
