/** What follows is the name of a model. */
const ONE_MODEL = '/v1/models/';

/**
 * Whether a path is written in the one way that is taken: no empty part, no `.` or `..`, nothing encoded. A
 * proxy in front of us and we must not see two different paths in one. Only the name of a model may be
 * encoded, or have a `/` or `:` in it.
 */
export function isPlainPath(path: string): boolean {
  const names = path.startsWith(ONE_MODEL) ? /^(?:[\w.:@~+-]|%[0-9A-Fa-f]{2})+$/ : /^[\w.:-]+$/;
  if (path === '/') return true;
  if (!path.startsWith('/') || path.length > 512) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '.' && part !== '..' && names.test(part));
}
