/** What a run of the soak did. */
export interface Figures {
  readonly seed: number;
  /** From the first question to the end of the recovery. */
  readonly seconds: number;
  /** Questions on main, whoever asked them. */
  readonly tasks: number;
  readonly answers: number;
  /** How many of the answers say an error, by its code. */
  readonly errors: Readonly<Record<string, number>>;
  /** How many of the answers are those of an equal task. */
  readonly cached: number;
  /** Questions that were past their time when they were asked; nobody may answer them. */
  readonly expired: number;
  readonly answersPerSecond: number;
  readonly kills: number;
  readonly killsByKind: Readonly<Record<string, number>>;
  readonly sshCuts: number;
  readonly sshdRestarts: number;
  readonly modelRestarts: number;
  readonly gcRuns: number;
  readonly rotations: number;
  readonly logFiles: number;
  /** Complete generations beyond the first of a question, by an agent that did not know of the other. */
  readonly doubles: number;
  /** What the clients that ask ended as. */
  readonly asks: Readonly<Record<string, number>>;
  /** Locks of a killed git on the server that whoever came next has cleared away. */
  readonly clearedLocks: number;
  /** For how long one of them has stood at the longest; 0 where none was noticed. */
  readonly longestLockMs: number;
  /** Agents that ended without being killed, by what they said. */
  readonly agentsGaveUp: Readonly<Record<string, number>>;
}

/** Counts things by name. */
export interface Tally {
  add(name: string, count?: number): void;
  get(name: string): number;
  sum(): number;
  /** The most frequent first. */
  toRecord(): Record<string, number>;
}

/** Makes an empty one. */
export function tally(): Tally {
  const counts = new Map<string, number>();
  return {
    add: (name, count = 1) => void counts.set(name, (counts.get(name) ?? 0) + count),
    get: (name) => counts.get(name) ?? 0,
    sum: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
    toRecord: () => Object.fromEntries([...counts].sort(([, a], [, b]) => b - a)),
  };
}

/** The figures as a person reads them. */
export function formatFigures(figures: Figures): string {
  const list = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  const rows: [string, string][] = [
    ['seed', String(figures.seed)],
    ['time', `${figures.seconds.toFixed(0)} s`],
    ['tasks', `${figures.tasks}, of them ${figures.expired} past their time when asked`],
    [
      'answers',
      `${figures.answers} (${figures.answersPerSecond.toFixed(2)} a second), ${figures.cached} of equal tasks`,
    ],
    ['error answers', list(figures.errors)],
    ['asks', list(figures.asks)],
    ['kills', `${figures.kills}: ${list(figures.killsByKind)}`],
    ['ssh cuts', `${figures.sshCuts}, and sshd restarted ${figures.sshdRestarts} times`],
    ['model servers', `restarted ${figures.modelRestarts} times`],
    ['gc runs', String(figures.gcRuns)],
    ['rotations', `${figures.rotations}, ${figures.logFiles} log files`],
    ['double generations', String(figures.doubles)],
    [
      'locks cleared away',
      `${figures.clearedLocks}, the longest after ${(figures.longestLockMs / 1000).toFixed(0)} s`,
    ],
    ['agents that gave up', list(figures.agentsGaveUp)],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(20)} ${value}`).join('\n');
}
