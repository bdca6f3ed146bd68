// Takes the pictures of the page for docs: npm run pictures -- [FOLDER]
// A real browser, a real bridge, a model that is a stand-in. Look at each picture before it is committed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [, , folder = fileURLToPath(new URL('../docs', import.meta.url))] = process.argv;
const args = ['vitest', 'run', 'test/e2e/page-pictures.test.ts', '--project=e2e'];
const env = { ...process.env, PAGE_PICTURES: folder };
process.exit(spawnSync('npx', args, { stdio: 'inherit', env }).status ?? 1);
