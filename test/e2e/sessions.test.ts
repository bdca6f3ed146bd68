import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  asShown,
  matchesOutput,
  readSessions,
  type SessionStep,
  typeStep,
} from '../support/console-session.js';
import { type GuideWorld, startGuideWorld } from '../support/guide-world.js';

// The terminal sessions of the documentation, typed again, one after the other in one world: what they print
// has to be what they show, but for `…`.

const root = fileURLToPath(new URL('../..', import.meta.url));

/** In this order: each goes on where the one before it ended. */
const PAGES = ['docs/sessions.md', 'docs/operating.md'];
const steps = (
  await Promise.all(
    PAGES.map(async (page) =>
      readSessions(await readFile(join(root, page), 'utf8')).map((step) => [page, step] as const),
    ),
  )
).flat();

let world: GuideWorld;
const background: { readonly command: string; stop(): Promise<void> }[] = [];
beforeAll(async () => {
  world = await startGuideWorld();
});

describe('every command of the sessions prints what they show', () => {
  test.for(
    steps.map(([page, step]) => [`${page}, line ${step.line}: ${step.command.slice(0, 70)}`, step] as const),
  )('%s', async ([, step]) => {
    if (step.goesOn) return start(step);
    if (step.command === 'kill %1') return background.pop()?.stop();
    const { printed, exitCode } = await typeStep(world, step);
    expect(matchesOutput(step.output, printed), `it printed:\n${printed}`).toBe(true);
    expect(exitCode, printed).toBe(step.exitCode);
  });
});

async function start(step: SessionStep): Promise<void> {
  const isReady = (said: string) => matchesOutput(step.output, asShown(world, said), false);
  background.push({
    command: step.command,
    ...(await world.start(step.place, world.substitute(step.command), isReady)),
  });
}

test('a session is read: who, what, and what it printed', () => {
  const text = '```console\nyou@pc$ a b &\nx …\n\nbot@server$ c\ny\n(exit code 75)\n```\n```sh pc\nno\n```\n';
  expect(readSessions(text)).toEqual([
    { place: 'pc', command: 'a b', goesOn: true, output: 'x …\n', exitCode: 0, line: 2 },
    { place: 'bot', command: 'c', goesOn: false, output: 'y\n', exitCode: 75, line: 5 },
  ]);
  expect(() => readSessions('```console\nx\n```\n')).toThrow('without a prompt');
});

test('`…` stands for part of a line, and on a line of its own for any lines', () => {
  expect(matchesOutput('a … c\n', 'a b c\n')).toBe(true);
  expect(matchesOutput('a … c\n', 'a b\nb c\n')).toBe(false);
  expect(matchesOutput('a\n…\nd\n', 'a\nb\nc\nd\n')).toBe(true);
  expect(matchesOutput('a\n…\nd\n', 'a\nd\n')).toBe(true);
  expect(matchesOutput('a\n', 'a\nb\n')).toBe(false);
  expect(matchesOutput('a\n', 'a\nb\n', false)).toBe(true);
  expect(matchesOutput('a.c (x)\n', 'abc (x)\n')).toBe(false);
});
