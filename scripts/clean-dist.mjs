// Removes dist/, so that a file whose source is gone is not shipped. In Node, because Windows has no rm.
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
