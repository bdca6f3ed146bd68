import { join } from 'node:path';
import type { GuideWorld, Place } from './guide-world.js';
import { readCodeBlocks } from './read-markdown.js';

/** One command of a terminal session in the documentation, and its output. */
export interface SessionStep {
  readonly place: Place;
  readonly command: string;
  /** Whether it runs in the background: it has `&` at the end, which is not part of `command`. */
  readonly goesOn: boolean;
  /** With `…` for the parts that differ; without the line of the exit code. */
  readonly output: string;
  readonly exitCode: number;
  /** The line in the Markdown file, from 1. */
  readonly line: number;
}

const PROMPT = /^(bridge@server|you@pc|bot@server)\$ (.+)$/;
const PLACE_OF: Readonly<Record<string, Place>> = {
  'bridge@server': 'server',
  'you@pc': 'pc',
  'bot@server': 'bot',
};

/**
 * The sessions of a Markdown text, in its blocks of the language `console`. Throws where a block does not
 * begin with a prompt.
 */
export function readSessions(markdown: string): SessionStep[] {
  const steps: SessionStep[] = [];
  for (const block of readCodeBlocks(markdown)) {
    if (block.language !== 'console') continue;
    const open: { step: Omit<SessionStep, 'output' | 'exitCode'>; lines: string[] }[] = [];
    for (const [index, text] of block.text.split('\n').entries()) {
      const prompt = PROMPT.exec(text);
      if (prompt === null) {
        const last = open.at(-1);
        if (last === undefined) throw new Error(`the session of line ${block.line} begins without a prompt`);
        last.lines.push(text);
        continue;
      }
      const [, who = '', typed = ''] = prompt;
      const place = PLACE_OF[who];
      if (place === undefined) throw new Error(`nobody is ${who}`);
      const goesOn = typed.endsWith(' &');
      const command = goesOn ? typed.slice(0, -2) : typed;
      open.push({ step: { place, command, goesOn, line: block.line + 1 + index }, lines: [] });
    }
    for (const { step, lines } of open) {
      // An empty line before the next prompt is only layout.
      if (lines.at(-1) === '') lines.pop();
      const code = /^\(exit code (\d+)\)$/.exec(lines.at(-1) ?? '')?.[1];
      if (code !== undefined) lines.pop();
      steps.push({ ...step, output: lines.map((line) => `${line}\n`).join(''), exitCode: Number(code ?? 0) });
    }
  }
  return steps;
}

/** Whether the output of a command is the one that the session shows; `isWhole` false: more may follow. */
export function matchesOutput(shown: string, printed: string, isWhole = true): boolean {
  const pattern = shown
    .split('\n')
    .slice(0, -1)
    .map((line) => (line === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(escapeRegExp).join('.*?')}\\n`))
    .join('');
  return new RegExp(`^${pattern}${isWhole ? '$' : ''}`).test(printed);
}

/** The output of a guide world, with the names of the guides put back. */
export function asShown(world: Pick<GuideWorld, 'dir' | 'user'>, printed: string): string {
  return printed
    .replaceAll(join(world.dir, 'srv'), '/srv/llm-bridge')
    .replaceAll(join(world.dir, 'home-server'), '/home/bridge')
    .replaceAll(join(world.dir, 'home-pc'), '/home/you')
    .replaceAll(join(world.dir, 'tmp/'), '/tmp/')
    .replaceAll(`${world.user}@server`, 'bridge@server')
    .replaceAll(`${world.user}@<server>`, 'bridge@<server>');
}

/**
 * Types a step that ends, with standard error sent to standard output; returns its output in the guides'
 * form.
 */
export async function typeStep(
  world: GuideWorld,
  step: SessionStep,
): Promise<{ readonly printed: string; readonly exitCode: number | null }> {
  const { stdout, exitCode } = await world.run(step.place, [
    'sh',
    '-c',
    `{ ${world.substitute(step.command)}\n} 2>&1`,
  ]);
  return { printed: asShown(world, stdout), exitCode };
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
