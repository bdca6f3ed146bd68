import { getAnswer } from '../../asker/find-answer.js';
import { shortId } from '../../protocol/names.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { printAnswer } from '../print-answer.js';
import { EXIT, printProblem } from '../print-error.js';

/** `llm-bridge answer <task> --repo R` */
export const answerCommand = defineCommand({
  positionals: [POSITIONALS.task],
  options: [OPTIONS.repo, worded(OPTIONS.json, 'Print the whole record as one line of JSON'), ...SSH_OPTIONS],
  examples: [
    ['$0 answer 3f2a1b9c --repo /srv/llm-bridge/bridge.git', 'exit code 75 where there is none yet'],
  ],
  async run(args, { out, env }) {
    const { task, found } = await getAnswer(accessOf(args, env), args.task);
    if (found !== null) return printAnswer(found, args.json, out);
    printProblem(`no answer yet to ${shortId(task)}`, 'run the same again a little later');
    return EXIT.noAnswerYet;
  },
});
