// Where a video was posted, or will be.
import type { Post } from "../types";
import { Icon } from "../ui/Icon";
import { describePost, nameNetwork } from "./words";

export const Posts = ({ posts }: { posts: readonly Post[] }) =>
  posts.length ? (
    <section aria-label="Posts">
      <h3>Posts</h3>
      <ul class="posts">
        {posts.map((post) => (
          <PostLine key={`${post.platform} ${post.account_id}`} post={post} />
        ))}
      </ul>
    </section>
  ) : null;

function PostLine({ post }: { post: Post }) {
  const { label, tone } = describePost(post);
  const isLink = post.url?.startsWith("https://") ?? false;
  return (
    <li>
      <p>
        <strong>{nameNetwork(post.platform)}</strong>
        <span class={`badge ${tone}`}>{label}</span>
        {isLink && (
          <a href={post.url!} target="_blank" rel="noopener noreferrer">
            Open <Icon name="external" size={14} />
          </a>
        )}
      </p>
      {post.scheduled_time && post.status === "scheduled" && (
        <p class="note">Goes out {new Date(post.scheduled_time).toLocaleString()}</p>
      )}
      {post.text && (
        <p class="note" dir="auto">
          {post.text}
        </p>
      )}
      {post.error && (
        <p class="note bad" dir="auto">
          {post.error.message}
        </p>
      )}
    </li>
  );
}
