// Checks that no comment is wider than 110 columns, as code is. The formatter wraps code, but not comments.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MAX = 110;
const files = execFileSync(
  'git',
  ['ls-files', 'src', 'test', 'scripts', 'hooks', 'bin', 'vitest.config.ts'],
  {
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((file) => /\.(ts|mjs|js)$|^hooks\//.test(file));
let wide = 0;
for (const file of files) {
  const comment = file.startsWith('hooks/') ? /^\s*#/ : /^\s*(\/\/|\/?\*)/;
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if ([...line].length <= MAX || !comment.test(line)) continue;
    process.stderr.write(
      `${file}:${index + 1}: a comment of ${[...line].length} columns; ${MAX} are allowed\n`,
    );
    wide += 1;
  }
}
process.exitCode = wide === 0 ? 0 : 1;
