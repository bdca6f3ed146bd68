import type { Denial, RefUpdateLine } from './push-context.js';

/** The most refs in one push: main, and claims beside it. The gate in front of git lets 64 packets through, shallow lines included. */
export const MAX_REFS_PER_PUSH = 60;

const LINE = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs\/[\x21-\x7e]+)$/;

/**
 * Reads pre-receive's standard input: a bounded number of `<old> <new> <ref>`, each ref once. A ref name with a line break in it can forge
 * lines here; git itself refuses to make such a ref later, so nothing moves by it.
 */
export function readUpdateLines(stdin: string): RefUpdateLine[] | Denial {
  const rows = stdin.split('\n');
  const isWhole = rows.pop() === '';
  const lines = rows.flatMap((row) => {
    const match = LINE.exec(row);
    if (match === null) return [];
    const [, oldId = '', newId = '', ref = ''] = match;
    return [{ oldId, newId, ref }];
  });
  if (!isWhole || lines.length === 0 || lines.length < rows.length) return notOne();
  if (lines.length > MAX_REFS_PER_PUSH) {
    return {
      code: 'limit',
      text: `more than ${MAX_REFS_PER_PUSH} refs in one push`,
      remedy: 'push them in parts',
    };
  }
  return new Set(lines.map((line) => line.ref)).size < lines.length ? notOne() : lines;
}

/** The denial of a push that would move what is not moved together. */
export function notOne(): Denial {
  return {
    code: 'ref',
    text: 'a push to a bridge moves exactly one ref, beside the claims and the presence of an agent',
    remedy: 'git push <bridge> HEAD:main, without --all, --tags, --mirror or other refs',
  };
}
