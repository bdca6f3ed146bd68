/**
 * The post-receive hook, as a program: takes the answers that came in into answers.log. It cannot refuse anything any
 * more, so it always exits 0.
 */
import * as z from 'zod';
import { takeIn } from './take-in.js';

// A schema that is used once or twice is not worth compiling.
z.config({ jitless: true });
void takeIn(process.cwd(), process.env, process.argv[1] ?? '').then((said) => {
  // One short line: a pusher that went away must never block this process on a full pipe.
  if (said !== '') process.stderr.write(`${said}\n`);
});
