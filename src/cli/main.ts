#!/usr/bin/env node
import { saveMemory } from '../process/save-memory.js';

// `wake` waits for days on a small machine. This has to come before anything else is loaded.
if (process.argv[2] === 'wake') saveMemory();
const { runMain } = await import('./run-main.js');
await runMain();
