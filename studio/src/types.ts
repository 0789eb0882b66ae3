// The API's objects, from docs/openapi.json (`npm run types` writes openapi.d.ts).
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Links = Schemas["LinksObject"];
/** One thing that happened to a video. */
export type Happening = Schemas["VideoEventObject"];
export type Post = Schemas["PostObject"];
export type Model = Schemas["ModelObject"];
export type Estimate = Schemas["EstimateObject"];
export type Usage = Schemas["UsageObject"];
export type Stage = Schemas["Stage"];
export type Status = Schemas["VideoStatus"];
export type AccountList = Schemas["AccountListObject"];
export type Account = Schemas["AccountObject"];
export type Upload = Schemas["UploadObject"];
export type Captions = Schemas["CaptionsObject"];
export type CreateVideo = Schemas["CreateVideoRequest"];
export type Video = Schemas["VideoObject"] & {
  /** How many videos start before this one; absent or null when it does not wait. */
  queue_position?: number | null;
  /** When it should be ready, in Unix seconds. */
  eta_at?: number | null;
};

export interface List<Item> {
  object: "list";
  data: Item[];
  has_more: boolean;
  last_id: string | null;
}
