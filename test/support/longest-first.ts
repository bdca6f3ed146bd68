import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The folders of `test`, those first whose files take longest. */
const PARTS = ['e2e', 'integration', 'unit'];

/** Files that are short and take long: each starts many agents, or kills one at many places. */
const LONG = /\/(?:crash\/|hostile\/|many-agents|agent-claims|doctor|ask|on-answer|log-faults|ingest)/;

/**
 * The order of the test files. What takes longest begins first, so that at the end no process works alone
 * while the others have nothing to do. vitest knows how long a file takes from an earlier run, which a fresh
 * clone does not have; then it goes by the size of the file.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number =>
      PARTS.findIndex((part) => moduleId.includes(`/test/${part}/`)) * 2 + (LONG.test(moduleId) ? 0 : 1);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}
