import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { noteWatched } from '../../../src/log/watched-log.js';
import { tempDir } from '../../support/temp-dir.js';

test.skipIf(process.platform === 'win32')(
  'where others may write beside the log, no planted symlink is followed for what watch could not ask',
  async () => {
    const gitDir = await tempDir();
    const folder = join(await tempDir(), 'shared');
    const mine = join(gitDir, 'authorized_keys');
    await writeFile(mine, 'mine\n');
    await mkdir(folder);
    await chmod(folder, 0o777);
    await symlink(mine, join(folder, 'watched.log'));
    const bridge = { gitDir, answersLog: join(folder, 'answers.log') };
    const note = {
      ...{ file: 'task.txt', task_hash: 'ab'.repeat(32), asked_as: null },
      created_at: new Date().toISOString(),
      error: { code: 'invalid_task', message: 'is empty', remedy: 'write something' },
    };

    await expect(noteWatched(bridge, note)).rejects.toMatchObject({ code: 'open-log-folder' });
    expect(await readFile(mine, 'utf8')).toBe('mine\n');
  },
);
