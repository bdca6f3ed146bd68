import { access, chmod, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBrokenRefs, removeBrokenRefs } from '../../../src/git/broken-refs.js';
import { bareBridge } from '../../support/bare-bridge.js';

const PREFIX = 'refs/bridge/claims/';

test('of refs that a power cut has broken each is found and removed, and no other', async () => {
  const repo = await bareBridge();
  const blob = (text: string) => repo.git(['hash-object', '-w', '--stdin'], text);
  const objectFile = (id: string) => join(repo.gitDir, 'objects', id.slice(0, 2), id.slice(2));
  const sound = await blob('sound');
  const emptied = await blob('emptied');
  const missing = await blob('missing');
  const cut = await blob('cut in half, behind what git looks at first');
  for (const name of ['sound', 'empty', 'zeros', 'half', 'locked'])
    await repo.git(['update-ref', `${PREFIX}${name}`, sound]);
  await repo.git(['update-ref', `${PREFIX}missing`, missing]);
  await repo.git(['pack-refs', '--all']);
  await repo.git(['update-ref', `${PREFIX}emptied`, emptied]);
  await repo.git(['update-ref', `${PREFIX}cut`, cut]);

  for (const [name, text] of Object.entries({
    empty: '',
    zeros: '\0'.repeat(41),
    half: sound.slice(0, 17),
    locked: '',
    'locked.lock': '',
  }))
    await writeFile(join(repo.gitDir, PREFIX, name), text);
  await rm(objectFile(missing));
  await rm(objectFile(emptied));
  await writeFile(objectFile(emptied), '');
  await chmod(objectFile(cut), 0o600);
  await truncate(objectFile(cut), 30);

  const broken = await findBrokenRefs(repo, PREFIX);
  const named = broken.map(({ ref, kind, id }) => ({ name: ref.slice(PREFIX.length), kind, id }));
  expect(named.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: 'cut', kind: 'no-object', id: cut },
    { name: 'emptied', kind: 'no-object', id: emptied },
    ...['empty', 'half', 'locked'].map((name) => ({ name, kind: 'no-id', id: null })),
    { name: 'missing', kind: 'no-object', id: missing },
    { name: 'zeros', kind: 'no-id', id: null },
  ]);

  const removed = await removeBrokenRefs(repo, broken);
  // Somebody is writing that one.
  expect(removed).toEqual(broken.filter(({ ref }) => ref !== `${PREFIX}locked`));
  await rm(join(repo.gitDir, PREFIX, 'locked.lock'));
  expect((await findBrokenRefs(repo, PREFIX)).map(({ ref }) => ref)).toEqual([`${PREFIX}locked`]);
  // git would take the emptied file for the object, also where that comes again.
  await expect(access(objectFile(emptied))).rejects.toThrow('ENOENT');
  await access(objectFile(sound));
});
