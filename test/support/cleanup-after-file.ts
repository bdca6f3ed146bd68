import { afterAll } from 'vitest';
import { cleanUpAfterFile } from './on-cleanup.js';

// A vitest setup file: it runs for each test file, also where several share a process with its modules.
afterAll(cleanUpAfterFile);
