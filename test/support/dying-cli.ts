import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CliOptions, type RunningCli, runCli, startCli } from './cli.js';
import type { RunResult } from './run-process.js';
import { tempDir } from './temp-dir.js';

/**
 * How the n-th step of a program ends: SIGKILL just before it; SIGKILL while what it has started (a push,
 * say) goes on alone; a failure of the step; or SIGKILL for what it starts, which is for steps that start
 * something.
 */
export type StepFault = 'dies' | 'orphans' | 'fails' | 'kills';

/** A run that should fail at a step. */
export interface FaultyRun extends RunResult {
  /**
   * The step (`git push …`, `rename …`); null where the program had fewer steps, and so ran without a
   * fault.
   */
  readonly step: string | null;
}

/**
 * The n-th step goes well, but the clock of the program is set just before it. Then what the program says on
 * stderr is a step, too: `says …`.
 */
export interface ClockFault {
  readonly setsClockByMs: number;
}

const PRELOAD = fileURLToPath(new URL('./die-at-step.mjs', import.meta.url));

/**
 * The environment in which a program writes its steps to `stepsFile` and fails at step `at`: a number from
 * 1, or a pattern for the first step that matches.
 */
export function faultEnv(
  stepsFile: string,
  at: number | RegExp,
  fault: StepFault | ClockFault,
  program = 'cli/main.js$',
): Record<string, string> {
  const mode =
    typeof fault === 'string'
      ? { FAULT_MODE: fault }
      : { FAULT_MODE: 'sets-clock', FAULT_SHIFT: String(fault.setsClockByMs) };
  return {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    FAULT_FOR: program,
    FAULT_STEPS: stepsFile,
    FAULT_AT: typeof at === 'number' ? String(at) : at.source,
    ...mode,
  };
}

/** The environment in which the program's clock is off by the milliseconds in `clockFile`. */
export function clockEnv(clockFile: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${PRELOAD}`, FAULT_FOR: 'cli/main.js$', FAULT_CLOCK: clockFile };
}

/** Runs the built program with a fault at step `at`. A step changes the disk or starts a program. */
export async function runFaulty(
  args: readonly string[],
  options: CliOptions & { readonly env: NodeJS.ProcessEnv },
  at: number,
  fault: StepFault,
): Promise<FaultyRun> {
  const stepsFile = join(await tempDir(), 'steps');
  const env = { ...options.env, ...faultEnv(stepsFile, at, fault) };
  const result = await runCli(args, { ...options, env });
  return { ...result, step: (await stepsIn(stepsFile))[at - 1] ?? null };
}

/** A step by its kind instead of its number, which changes where a program does several things at once. */
export interface NamedStep {
  /** For a person. */
  readonly name: string;
  /** Matches every step of this kind, whatever folder and object it is about. */
  readonly pattern: RegExp;
  /** How many of the kind come before it. */
  readonly skip: number;
}

/** The steps of a run, each with its kind and its position within the kind. */
export function namedSteps(steps: readonly string[]): NamedStep[] {
  const seen = new Map<string, number>();
  return steps.map((step) => {
    const source = sourceOf(step);
    const skip = seen.get(source) ?? 0;
    seen.set(source, skip + 1);
    return { name: `${step} (${skip + 1})`, pattern: new RegExp(`^${source}`), skip };
  });
}

/**
 * Paths, addresses and the port of an sshd are left open: the next run may have a bridge of its own.
 * A file in a repository is of the kind of its folder: objects and refs, and objects among themselves, are
 * written at the same time, in any order. A push is of the kind of what it moves: main, or claims alone.
 * Whether claims go with main depends on how slow the model was.
 */
function sourceOf(step: string): string {
  if (/^git .* push /.test(step)) {
    const toMain = '.*:refs/heads/main(?: |$)';
    return step.includes(':refs/heads/main') ? `git .* push ${toMain}` : `git .* push (?!${toMain})`;
  }
  return step
    .slice(0, 10_000)
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/(?<=^|[ ="])\/\S*|ssh:\S*|(?<=-p )[0-9]+|@[0-9]+|[0-9a-f]{40}|[0-9a-f-]{36}/g, (part) => {
      const folder = /\/(?:objects|refs\/[a-z]+\/[a-z]+)\//.exec(part);
      return folder === null ? '\\S*' : `\\S*${folder[0]}\\S*`;
    });
}

/** The same as runFaulty, at a named step; `step` is null where this run had no such step. */
export async function runFaultyAt(
  args: readonly string[],
  options: CliOptions & { readonly env: NodeJS.ProcessEnv },
  at: NamedStep,
  fault: StepFault | ClockFault,
): Promise<FaultyRun> {
  const stepsFile = join(await tempDir(), 'steps');
  const env = {
    ...options.env,
    ...faultEnv(stepsFile, at.pattern, fault),
    FAULT_SKIP: String(at.skip),
  };
  const result = await runCli(args, { ...options, env });
  return {
    ...result,
    step: (await stepsIn(stepsFile)).filter((one) => at.pattern.test(one))[at.skip] ?? null,
  };
}

/** The steps of a run without a fault; throws where the run fails. */
export async function stepsOf(
  args: readonly string[],
  options: CliOptions & { readonly env: NodeJS.ProcessEnv },
): Promise<string[]> {
  const stepsFile = join(await tempDir(), 'steps');
  const { exitCode, stderr } = await runCli(args, {
    ...options,
    env: { ...options.env, ...faultEnv(stepsFile, 0, 'dies') },
  });
  if (exitCode !== 0) throw new Error(`llm-bridge ${args.join(' ')} exited with ${exitCode}\n${stderr}`);
  return stepsIn(stepsFile);
}

/** A program that goes on until it is stopped, or dies at a step. */
export interface DyingCli extends RunningCli {
  isOver(): boolean;
  /** What it has done so far. */
  steps(): Promise<string[]>;
}

/** Starts the built program, to die just before a step; null: at none. */
export async function startDying(
  args: readonly string[],
  options: CliOptions & { readonly env: NodeJS.ProcessEnv },
  at: NamedStep | null,
): Promise<DyingCli> {
  const stepsFile = join(await tempDir(), 'steps');
  const fault = faultEnv(stepsFile, at?.pattern ?? 0, 'dies');
  const env = { ...options.env, ...fault, FAULT_SKIP: String(at?.skip ?? 0) };
  const running = await startCli(args, { ...options, env });
  let isOver = false;
  void running.exited.then(() => {
    isOver = true;
  });
  return { ...running, isOver: () => isOver, steps: () => stepsIn(stepsFile) };
}

async function stepsIn(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
}
