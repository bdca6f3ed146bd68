/**
 * The post-receive hook, as a program: adds the new answers to answers.log. It cannot refuse
 * anything any more, so it always exits 0.
 */
import * as z from 'zod';
import { takeIn } from './take-in.js';

// Compiling a schema does not pay for one or two uses.
z.config({ jitless: true });
void takeIn(process.cwd(), process.env, process.argv[1] ?? '').then((said) => {
  // One short line: a full pipe to a pusher that went away must never block this process.
  if (said !== '') process.stderr.write(`${said}\n`);
});
