// Checks that no comment reaches past column 110, the limit of code. The formatter wraps code, but not
// comments. Every file under version control is looked at whose language has a row below, and comments
// behind code as well. Bytes are counted, with the line break, so that no comment is too long by whatever
// count.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MAX = 110;

/**
 * The names of the files, and what their lines with a comment have, once all text in quotes is taken out.
 */
const LANGUAGES = [
  [/\.(ts|mjs|js|css|grit)$/, /^\s*(\/\/|\/?\*)|\s(\/\/|\/\*)\s/],
  [/\.html$/, /<!--|-->/],
  [/\.(sh|py|yml)$|^hooks\/|^\.ci\/|\.Modelfile$|(^|\/)\.git\w+$|^\.editorconfig$/, /^\s*#|\s#\s/],
];

const QUOTED = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

let wide = 0;
for (const file of execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n')) {
  const comment = LANGUAGES.find(([name]) => name.test(file))?.[1];
  if (comment === undefined) continue;
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const length = Buffer.byteLength(line) + 1;
    if (length <= MAX || !comment.test(line.replace(QUOTED, ''))) continue;
    process.stderr.write(`${file}:${index + 1}: a comment up to column ${length}; ${MAX} are allowed\n`);
    wide += 1;
  }
}
process.exitCode = wide === 0 ? 0 : 1;
