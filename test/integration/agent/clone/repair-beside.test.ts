import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CloneReader, openCloneReader } from '../../../../src/agent/clone/clone-reader.js';
import { isSound } from '../../../../src/agent/clone/own-clone.js';
import { CloneRepair, type RepairContext } from '../../../../src/agent/clone/repair-clone.js';
import { openClone } from '../../../../src/bridge/clone.js';
import { writeBlob } from '../../../../src/git/commit-file.js';
import { gate } from '../../../support/bridge-agent.js';
import { cleanEnv } from '../../../support/clean-env.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { tempDir } from '../../../support/temp-dir.js';

/** A clone with some objects, its reader, and what repairs it; and how often that reader was renewed. */
async function repairable() {
  const dir = await tempDir();
  const clone = await openClone(join(dir, 'clone.git'), { ...cleanEnv(dir), LC_ALL: 'C' });
  const ids = await Promise.all(['one', 'two', 'three'].map((text) => writeBlob(clone, Buffer.from(text))));
  const opened = openCloneReader(clone);
  onCleanup(() => opened.close());
  let renewals = 0;
  const reader: CloneReader = {
    ...opened,
    renew() {
      renewals += 1;
      opened.renew();
    },
  };
  const { signal } = new AbortController();
  const repair = new CloneRepair({
    ...{ clone, reader },
    options: { signal, log: () => {} },
    connection: { address: { kind: 'ssh' }, env: clone.env },
    session: { unpushed: { all: [] }, lostClone: () => {} },
    queue: { restart: () => {} },
  } as unknown as RepairContext);
  return { dir, clone, reader, repair, ids, renewals: () => renewals };
}

test('a generation that is cancelled says nothing about the clone, which is left alone', async () => {
  const { repair, renewals } = await repairable();
  const stop = new AbortController();
  const cancelled = repair.run(async () => {
    stop.abort(new Error('the task was cancelled'));
    throw stop.signal.reason;
  }, stop.signal);
  await expect(cancelled).rejects.toThrow('the task was cancelled');
  expect(renewals()).toBe(0);
});

test('a step is done again where a repair for another step took the reader from under it', async () => {
  const { reader, repair, ids, renewals } = await repairable();
  const reading = gate();
  let tries = 0;
  const step = repair.run(async () => {
    tries += 1;
    // The second call waits for the first, and is rejected by the renewal.
    const both = Promise.all(ids.map((id) => reader.info(id)));
    reading.open();
    return await both;
  });
  await reading.opened;
  await expect(
    repair.run(async () => {
      throw new Error('something is wrong with the clone');
    }),
  ).rejects.toThrow('something is wrong with the clone');
  expect(await step).toHaveLength(3);
  expect(tries).toBe(2);
  expect(renewals()).toBe(1);
});

test('a clone counts as damaged only where git says so again and again', async () => {
  const { dir, clone } = await repairable();
  const bin = join(dir, 'bin');
  await mkdir(bin);
  // As where an object and its ref come in between: the first look finds it missing.
  const once = `#!/bin/sh\nPATH=\${PATH#*:}\n[ -e '${dir}/looked' ] && exec git "$@"\n: >'${dir}/looked'\nexit 2\n`;
  await writeFile(join(bin, 'git'), once);
  await chmod(join(bin, 'git'), 0o755);
  expect(await isSound({ ...clone, env: { ...clone.env, PATH: `${bin}:${clone.env.PATH}` } })).toBe(true);
  await writeFile(join(clone.gitDir, 'HEAD'), '');
  expect(await isSound(clone)).toBe(false);
});
