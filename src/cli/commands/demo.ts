import type { CommandModule } from 'yargs';
import type { ExitState } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge demo` */
export function demoCommand(_exit: ExitState): CommandModule<object, { local: boolean }> {
  return {
    command: 'demo',
    describe: 'The whole bridge on this machine, in a temporary folder',
    builder: (y) =>
      y
        .option('local', {
          type: 'boolean',
          default: false,
          describe: 'Without sshd: the agent comes in by the local path',
        })
        .example('$0 demo', 'question, answer, log line and git log of a bridge that was just made'),
    async handler({ local }) {
      const { runDemo } = await import('../../demo/run-demo.js');
      await runDemo({
        env: process.env,
        signal: stopSignal(),
        program: [process.execPath, process.argv[1] ?? ''],
        local,
        print: (line) => process.stdout.write(`${line}\n`),
      });
    },
  };
}
