import { runDemo } from '../../demo/run-demo.js';
import { defineCommand } from '../command.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge demo` */
export const demoCommand = defineCommand({
  options: [OPTIONS.local, OPTIONS.serve],
  examples: [
    ['$0 demo', 'question, answer, log line and git log of a bridge that was just made'],
    ['$0 demo --serve', 'then any client can ask it, until Ctrl-C'],
  ],
  async run({ local, serve }, { out, env }) {
    await runDemo({
      env,
      signal: stopSignal(),
      program: [process.execPath, process.argv[1] ?? ''],
      local,
      serve,
      print: (text) => out.print(text),
    });
    return EXIT.done;
  },
});
