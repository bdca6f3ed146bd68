import type { Reporter, TestModule } from 'vitest/node';

/**
 * A vitest reporter that prints one line, `N passed, N failed` and `, N skipped` where there are any, as the
 * very last of the run. A failure outside of a test (a file that does not load, a failed `beforeAll`, an
 * unhandled rejection) counts as one failed.
 */
export function summaryReporter(): Reporter {
  const count = { passed: 0, failed: 0, skipped: 0 };
  return {
    onInit: (vitest) => {
      // `vitest list` and watch mode have no end with a summary.
      if (vitest.config.watch) return;
      // Other reporters and vitest itself still print after the run has ended.
      process.once('exit', (exitCode) => {
        if (exitCode !== 0 && count.failed === 0) count.failed = 1;
        const skipped = count.skipped === 0 ? '' : `, ${count.skipped} skipped`;
        process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);
      });
    },
    onTestRunEnd: (modules, unhandledErrors) => {
      for (const module of modules) countModule(module, count);
      count.failed += unhandledErrors.length;
    },
  };
}

function countModule(module: TestModule, count: { passed: number; failed: number; skipped: number }): void {
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    // A test that never ended cannot count as passed.
    count[state === 'pending' ? 'failed' : state] += 1;
  }
  const broken = [module, ...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
  count.failed += broken.length;
}
