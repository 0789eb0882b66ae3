import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./Icon";

export const EmptyState = ({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <span class="medallion">
      <Icon name={icon} size={28} />
    </span>
    <h2>{title}</h2>
    {children}
  </div>
);
