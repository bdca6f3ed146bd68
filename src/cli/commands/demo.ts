import { runDemo } from '../../demo/run-demo.js';
import { defineCommand } from '../command.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge demo` */
export const demoCommand = defineCommand({
  options: [OPTIONS.local],
  examples: [['$0 demo', 'question, answer, log line and git log of a bridge that was just made']],
  async run({ local }, { out, env }) {
    await runDemo({
      env,
      signal: stopSignal(),
      program: [process.execPath, process.argv[1] ?? ''],
      local,
      print: (text) => out.print(text),
    });
    return EXIT.done;
  },
});
