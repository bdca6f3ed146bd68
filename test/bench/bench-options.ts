import { parseArgs } from 'node:util';
import * as z from 'zod';
import { BridgeError } from '../../src/protocol/bridge-error.js';

/** The rows there are, in the order in which they run. */
export const ROWS = [
  'overhead',
  'flat',
  'doorbell',
  'first-token',
  'tokens',
  'gateway-first-token',
  'gateway-streams',
  'gateway-asks',
  'backlog',
  'drain',
  'open',
  'aside',
  'shell-loop',
  'tunnel',
  'idle',
  'disk',
  'resent',
  'commands',
  'processes',
] as const;
export type RowName = (typeof ROWS)[number];

const count = z.coerce.number().int().min(1);

const schema = z.object({
  row: z.array(z.enum(ROWS)).default([...ROWS]),
  against: z.array(z.string()).default([]),
  runs: count.optional(),
  history: count.min(200).default(100_000),
  seconds: count.default(60),
  json: z.boolean().default(false),
  markdown: z.boolean().default(false),
});
/**
 * What a run of the benchmark is asked to do. `against` are folders of other built checkouts, which the row
 * `overhead` is measured against.
 */
export type BenchOptions = z.infer<typeof schema>;

const USAGE = `npm run bench -- [--row ${ROWS.join('|')}]… [--against DIR]… [--runs N] [--history N] [--seconds N] [--json|--markdown]`;

/**
 * Reads the command line. `seconds` is how long an agent is watched while it is idle. Throws BridgeError
 * `usage`.
 */
export function readBenchOptions(argv: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        row: { type: 'string', multiple: true },
        against: { type: 'string', multiple: true },
        runs: { type: 'string' },
        history: { type: 'string' },
        seconds: { type: 'string' },
        json: { type: 'boolean' },
        markdown: { type: 'boolean' },
      },
    });
    return schema.parse(values);
  } catch (cause) {
    const said = cause instanceof z.ZodError ? (cause.issues[0]?.message ?? '') : String(cause);
    throw new BridgeError(`the benchmark was called wrongly: ${said}`, {
      code: 'usage',
      remedy: USAGE,
      cause,
    });
  }
}
