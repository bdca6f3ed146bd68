// Sets the executable bit of the files named: a bare `./dist/cli/main.js` needs it. Windows has no such bit.
import { chmodSync } from 'node:fs';

for (const file of process.argv.slice(2)) chmodSync(file, 0o755);
