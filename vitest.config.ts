import { defineConfig } from 'vitest/config';
import { lightWorkers } from './test/support/light-workers.js';
import { LongestFirst } from './test/support/longest-first.js';
import { summaryReporter } from './test/support/summary-reporter.js';

const ANY = ['./test/support/clean-process-env.ts', './test/support/new-bare-bridge.ts'];
const BUILT = ['./test/support/require-build.ts', './test/support/new-bridge.ts'];

/** Real processes on a busy machine: these bounds are for what hangs, no test waits for them. */
const PROCESS_TIMEOUTS = { testTimeout: 180_000, hookTimeout: 180_000 };

// Tests of the suite that are made at full length among the slow ones (test/support/test-length.ts).
const SHORTENED = [
  ...['test/e2e/crash/*-sweep.test.ts', 'test/e2e/many-agents.test.ts', 'test/e2e/batch-restarts.test.ts'],
  ...['agent', 'agent-claims', 'crash/agent-clone'].map((name) => `test/e2e/${name}.test.ts`),
  'test/integration/gateway/sleeping-pc.test.ts',
  'test/integration/log/ingest.test.ts',
  'test/integration/log/rotation.test.ts',
  'test/unit/agent/format/check-format.test.ts',
  'test/integration/server-hook/named-packs.test.ts',
  'test/integration/server-hook/vectors.test.ts',
  ...['bounds', 'cited', 'claims', 'command', 'payload', 'push'].map(
    (table) => `test/e2e/hostile/${table}.test.ts`,
  ),
];
// All three are one project, because each project has processes of its own, and each of these loads the
// sources anew. One of them alone is a project when it is asked for by name.
const PARTS = ['unit', 'integration', 'e2e'] as const;
const parts = PARTS.filter(isAskedFor);
// The slow tests take minutes; they run when asked for by name, and never beside the others.
const slow = isAskedFor('slow');
// The tests of clients install them from their registries. By name only, too.
const clients = isAskedFor('clients');
// The tests of real model servers need one (test/real/real-server.ts). By name only, too.
const real = isAskedFor('real');

export default defineConfig({
  test: {
    pool: lightWorkers,
    // On two cores. Measured by file (user and system time of it and its children): 4 of 10 seconds are
    // work; the rest is waiting for ssh, for a lease, or for what was killed to recover.
    maxWorkers: 5,
    setupFiles: ['./test/support/cleanup-after-file.ts'],
    // Files of one project run in turn in the same processes: a start of node with zod, yargs and vitest
    // takes as long as most files. So what a test puts into its process is taken out of it.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    unstubEnvs: true,
    restoreMocks: true,
    reporters: ['default', summaryReporter()],
    projects: [
      ...(parts.length === 0
        ? [project('suite', { globalSetup: [...ANY, ...BUILT], ...PROCESS_TIMEOUTS }, PARTS.map(filesOf))]
        : parts.map((name) =>
            project(name, { globalSetup: [...ANY, ...(name === 'unit' ? [] : BUILT)], ...PROCESS_TIMEOUTS }, [
              filesOf(name),
            ]),
          )),
      ...(slow
        ? [
            project(
              'slow',
              {
                globalSetup: [...ANY, ...BUILT],
                testTimeout: 900_000,
                hookTimeout: 60_000,
                env: { TEST_LENGTH: 'full' },
              },
              [filesOf('slow'), ...SHORTENED],
            ),
          ]
        : []),
      ...(clients
        ? [
            project(
              'clients',
              { globalSetup: [...ANY, ...BUILT], testTimeout: 600_000, hookTimeout: 60_000 },
              [filesOf('clients')],
            ),
          ]
        : []),
      ...(real
        ? [
            project('real', { globalSetup: [...ANY, ...BUILT], testTimeout: 300_000, hookTimeout: 60_000 }, [
              filesOf('real'),
            ]),
          ]
        : []),
    ],
  },
});

function isAskedFor(name: string): boolean {
  return process.argv.some((arg) => arg === name || arg === `--project=${name}`);
}

function filesOf(name: string): string {
  return `test/${name}/**/*.test.ts`;
}

function project(
  name: string,
  test: { globalSetup: string[]; testTimeout: number; hookTimeout: number; env?: Record<string, string> },
  include: string[],
): { extends: true; test: { name: string; include: string[] } & typeof test } {
  return { extends: true, test: { name, include, ...test } };
}
