import pc from 'picocolors';
import { hidePasswords } from '../../process/hide-passwords.js';
import { stripControls } from '../../protocol/printable.js';

/** A line that begins like this is a command, and no question: `/model`, and not `/etc/passwd`. */
export const COMMAND = /^\/([a-z]+)(?:[ \t]+(\S.*))?$/;

/** The text of `/help`. */
export const HELP = [
  '/model [NAME]  the model that is asked from now on; without a name, which one that is',
  '/retry         ask the last question again, in the place of its answer',
  '/help          this',
  '/quit          leave, as Ctrl-D does',
  '"""            begins a question of several lines, and ends it; a pasted text is one question anyway',
  'Ctrl-C         cancels the task that is being answered, or takes back what is typed',
].join('\n');

/** Says something that is not part of the conversation, without control characters and passwords. */
export function say(text: string): void {
  const shown = hidePasswords(stripControls(text));
  process.stderr.write(`${process.stderr.isTTY ? pc.dim(shown) : shown}\n`);
}
