import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { REFERENCE_READER, runReader, whyNoReader } from '../../support/reference-reader.js';
import { tempDir } from '../../support/temp-dir.js';

const reason = whyNoReader();
const vectors = fileURLToPath(new URL('../../../docs/vectors', import.meta.url));

test.skipIf(reason !== null)(
  `the second reader, in Python, meets every vector${reason === null ? '' : ` (skipped: ${reason})`}`,
  async () => {
    const { exitCode, stdout, stderr } = await runReader(['vectors', vectors], cleanEnv(await tempDir()));
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 0,
      stdout: 'all vectors are met\n',
      stderr: '',
    });
  },
  // The vectors of the limits have 8 MiB each, and Python takes its time for them.
  180_000,
);

test('it stays small, and takes nothing but the standard library', async () => {
  const lines = (await readFile(REFERENCE_READER, 'utf8')).split('\n');
  expect(lines.length - 1).toBeLessThanOrEqual(400);
  expect(lines.filter((line) => line.length > 110)).toEqual([]);
  expect(lines.filter((line) => /^\s*(?:import|from) /.test(line))).toEqual([
    'import base64, datetime, functools, gzip, hashlib, itertools, json, os, re, subprocess, sys, time',
  ]);
});
