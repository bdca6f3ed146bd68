#!/usr/bin/env node
import { saveMemory } from '../process/save-memory.js';

// It waits for days on something small. This comes before all else is loaded.
if (process.argv[2] === 'wake') saveMemory();
const { runMain } = await import('./run-main.js');
await runMain();
