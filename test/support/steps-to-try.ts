import { seeded } from '../soak/random.js';
import { IS_FULL_LENGTH } from './test-length.js';

/**
 * With the seed of a sweep that failed, the next tries the same steps: `SWEEP_SEED=7 npx vitest run …`.
 */
const SEED = Number(process.env.SWEEP_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Of the kinds that a sweep need not try each time, one in this many is. */
const SHARE = 3;

/**
 * The steps of a run that a sweep tries, in their order: under `npm run test:slow` every one, else of each
 * kind one, which the seed chooses: the first or the last start of a program, any change of the file system.
 * Where `always` is given, of those that it does not fit only every third kind, as the seed has it, and at
 * least one of each sort: programs, what is put in its place, what is prepared, what is said. It prints the
 * seed.
 */
export function stepsToTry<T extends { readonly name: string }>(steps: readonly T[], always?: RegExp): T[] {
  if (IS_FULL_LENGTH) return [...steps];
  const kinds = new Map<string, T[]>();
  for (const step of steps) {
    const kind = kindOf(step.name);
    kinds.set(kind, [...(kinds.get(kind) ?? []), step]);
  }
  const random = seeded(SEED, 'steps');
  const isTold = (kind: string) => kinds.get(kind)?.some(({ name }) => always?.test(name)) ?? false;
  const tried = new Set([...kinds.keys()].filter((kind) => always === undefined || isTold(kind)));
  for (const sort of ['puts', 'prepares', 'says', 'program']) {
    const ofSort = [...kinds.keys()].filter((kind) => !tried.has(kind) && sortOf(kind) === sort);
    const first = random.int(0, Math.max(0, Math.min(SHARE, ofSort.length) - 1));
    for (const [at, kind] of ofSort.entries()) if (at % SHARE === first) tried.add(kind);
  }
  const chosen = new Set(
    [...kinds]
      .filter(([kind]) => tried.has(kind))
      .map(([kind, members]) => {
        // A start of a program between those may be one that not every run makes.
        const isProgram = ['program', 'says'].includes(sortOf(kind));
        // The first that it fits: what comes last in this run may not come in the next.
        const told = members.find(({ name }) => always?.test(name));
        if (told !== undefined) return told;
        const ends = members.filter((one) => one === members[0] || one === members.at(-1));
        return random.pick(isProgram ? ends : members);
      }),
  );
  console.log(`a sweep of ${chosen.size} of ${steps.length} steps: SWEEP_SEED=${SEED}`);
  return steps.filter((step) => chosen.has(step));
}

function sortOf(kind: string): string {
  return /^(?:puts|prepares|says)(?= |$)/.exec(kind)?.[0] ?? 'program';
}

/** The steps of a run with their numbers, from 1. */
export function numbered(steps: readonly string[]): { readonly name: string; readonly at: number }[] {
  return steps.map((name, index) => ({ name, at: index + 1 }));
}

/**
 * What a step is, whatever object it is about, with or without its position within its kind. A program: its
 * name, for git with the subcommand and the reason of a change of refs. A change of the file system: what it
 * is about, and whether it puts something in its place or prepares that.
 */
export function kindOf(step: string): string {
  const [first = '', ...words] = step.replace(/ \([0-9]+\)$/, '').split(' ');
  if (first === 'git') return kindOfGit(words);
  if (first === 'says') return first;
  // Of ssh, with the shell beside it, the last word is the command on the server.
  if (first === 'ssh' || first === 'sh') return `ssh ${words.at(-1)}`;
  if (!words[0]?.startsWith('/')) return first;
  const placed = first === 'rename';
  const path = (placed ? words[1] : words[0]) ?? '';
  const folder = /\/(objects|refs\/[a-z]+\/[a-z]+)(?:\/|$)/.exec(path)?.[1];
  const what = folder ?? path.replace(/\.[0-9]+$/, '').replace(/^.*\//, '');
  return `${placed ? 'puts' : 'prepares'} ${what}`;
}

function kindOfGit(words: readonly string[]): string {
  const at = words.findIndex(
    (word, index) => /^(?:--version|[a-z]+(?:-[a-z]+)*)$/.test(word) && words[index - 1] !== '-c',
  );
  const command = words[at];
  if (command === 'push') {
    return words.some((word) => word.endsWith(':refs/heads/main')) ? 'git push main' : 'git push beside main';
  }
  return command === 'update-ref' ? `git update-ref ${words[at + 2]}` : `git ${command}`;
}
