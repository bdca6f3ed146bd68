/**
 * An instant as git's date options (`--since`, `--shallow-since`) read it; milliseconds since the epoch. The zone has to be there:
 * without it git reads a number below 100000000, or a negative one, as a date near today, and an endless time-to-live would find
 * nothing at all. What lies before the epoch becomes its first second.
 */
export function gitDate(ms: number): string {
  return `@${Math.max(1, Math.floor(ms / 1000))} +0000`;
}
