import type { Denial, RefUpdateLine } from './push-context.js';

/**
 * Reads pre-receive's standard input: exactly one `<old> <new> <ref>`. More than one is refused because a push is judged
 * and moves as a whole; and a ref name with a line break in it could forge a second line.
 */
export function readUpdateLine(stdin: string): RefUpdateLine | Denial {
  const match = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs\/[\x21-\x7e]+)\n$/.exec(
    stdin,
  );
  if (match === null) {
    return {
      code: 'ref',
      text: 'a push to a bridge moves exactly one ref',
      remedy: 'git push <bridge> HEAD:main, without --all, --tags, --mirror or other refs',
    };
  }
  const [, oldId = '', newId = '', ref = ''] = match;
  return { oldId, newId, ref };
}
