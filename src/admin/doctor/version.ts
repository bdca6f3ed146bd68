/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** Whether `left` came before `right`. */
export function isBefore(left: Version, right: Version): boolean {
  const at = left.findIndex((number, index) => number !== right[index]);
  return at >= 0 && (left[at] ?? 0) < (right[at] ?? 0);
}
