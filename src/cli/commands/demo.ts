import type { CommandModule } from 'yargs';
import type { ExitState } from '../run-cli.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge demo` */
export function demoCommand(_exit: ExitState): CommandModule {
  return {
    command: 'demo',
    describe: 'The whole bridge on this machine, in a temporary folder',
    builder: (y) =>
      y.example('$0 demo', 'question, answer, log line and git log of a bridge that was just made'),
    async handler() {
      const { runDemo } = await import('../../demo/run-demo.js');
      await runDemo({
        env: process.env,
        signal: stopSignal(),
        program: [process.execPath, process.argv[1] ?? ''],
        print: (line) => process.stdout.write(`${line}\n`),
      });
    },
  };
}
