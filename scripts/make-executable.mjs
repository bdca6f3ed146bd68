// Sets the executable bit of the files named: `npm link` and a bare `./dist/cli/main.js` need it. Windows has no such bit.
import { chmodSync } from 'node:fs';

for (const file of process.argv.slice(2)) chmodSync(file, 0o755);
