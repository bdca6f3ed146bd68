import * as z from 'zod';

/** The most tasks that `bridge-window` is asked for; a reader who wants more fetches all of them. */
export const MAX_WINDOW_WANTED = 9_999;

/** The most commits that it sends: with more of them it would save its readers little. */
export const MAX_WINDOW_COMMITS = 20_000;

const count = z.int().min(0);

/**
 * The first line that `bridge-window` prints. Null: the server has no list of open tasks, or everything is
 * wanted, and the reader fetches the window itself. Else as many lines with the id of a commit follow, the
 * oldest first, and then a pack.
 */
export const windowReplySchema = z.object({
  window: z.nullable(
    z.object({
      commits: count.max(MAX_WINDOW_COMMITS),
      /** The tasks that were left out: younger ones that wait, and older ones that have expired. */
      left: z.object({ pending: count, expired: count }),
    }),
  ),
});
export type WindowReply = z.infer<typeof windowReplySchema>;
