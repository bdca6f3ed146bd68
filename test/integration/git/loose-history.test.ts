import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLooseHistory } from '../../../src/git/loose-history.js';
import { writeLooseObject } from '../../../src/git/loose-object.js';
import { readHistory } from '../../../src/git/read-history.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, messageWriter } from '../../support/message-writer.js';

/** What git says: a date to stop at is a question for git alone. */
const byGit = (repo: Awaited<ReturnType<typeof bareBridge>>, from: string, not: string) =>
  readHistory(repo, { from: [from], not: [not], sinceMs: 1000 });

async function withMessages() {
  const repo = await bareBridge();
  const writer = messageWriter(repo.gitDir, repo.env);
  const root = await repo.git(['rev-parse', 'main']);
  const task = await writer.ask(root, 'Сколько будет 2+2? 🤔');
  const other = await writer.set(task, 'task.json', '{"prompt":"x"}');
  const answer = await writer.answer(
    other,
    anAnswer(task, 'Сколько будет 2+2? 🤔', { model: 'a: b', cached: true }),
  );
  const cancel = await writer.cancel(answer, other, { reason: 'enough' });
  return { repo, writer, root, task, other, answer, cancel };
}

test('messages are told as git tells them, without git', async () => {
  const { repo, root, task, other, answer, cancel } = await withMessages();
  const commits = await readLooseHistory(repo, { from: cancel, not: root });
  expect(commits?.map(({ id }) => id)).toEqual([task, other, answer, cancel]);
  expect(commits).toEqual(await byGit(repo, cancel, root));
  expect(await readLooseHistory(repo, { from: answer, not: answer })).toEqual([]);
  expect(await readLooseHistory(repo, { from: cancel, not: `${other}^@` })).toEqual(commits?.slice(1));
  expect(await readLooseHistory(repo, { from: cancel, not: 'refs/heads/main' })).toEqual(commits);
  await repo.git(['update-ref', 'refs/heads/main', answer]);
  expect(await readLooseHistory(repo, { from: 'refs/heads/main', not: other })).toEqual(commits?.slice(2, 3));
});

test('what lies in a pack, behind the edge of a shallow clone, or on another line is for git to tell', async () => {
  const { repo, writer, root, task, answer, cancel } = await withMessages();
  const elsewhere = await writer.ask(root, 'another line');
  expect(await readLooseHistory(repo, { from: cancel, not: elsewhere })).toBeNull();
  expect(await readLooseHistory(repo, { from: cancel, not: 'f'.repeat(40) })).toBeNull();
  expect(await readLooseHistory(repo, { from: 'f'.repeat(40), not: root })).toBeNull();
  expect(await readLooseHistory(repo, { from: cancel, not: 'refs/heads/none' })).toBeNull();

  await repo.git(['update-ref', 'refs/heads/main', cancel]);
  const shallow = `${repo.gitDir}-shallow`;
  const { env } = repo;
  await gitOk(['clone', '--quiet', '--bare', '--depth=2', `file://${repo.gitDir}`, shallow], { env });
  await unpack(shallow, env);
  const edge = { ...repo, gitDir: shallow };
  expect(await readLooseHistory(edge, { from: cancel, not: answer })).toHaveLength(1);
  expect(await readLooseHistory(edge, { from: cancel, not: `${answer}^@` })).toBeNull();

  await repo.git(['repack', '-a', '-d', '-q']);
  await repo.git(['prune-packed']);
  expect(await readLooseHistory(repo, { from: cancel, not: task })).toBeNull();
  expect(await readHistory(repo, { from: [cancel], not: [task] })).toHaveLength(3);
});

async function unpack(gitDir: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = join(gitDir, 'objects', 'pack');
  const name = (await readdir(folder)).find((one) => one.endsWith('.pack')) ?? '';
  const input = await readFile(join(folder, name));
  await rm(folder, { recursive: true });
  await gitOk(['unpack-objects', '-q'], { gitDir, env, input });
}

test('the edge of a shallow clone has no parent, also where its parent is there', async () => {
  const { repo, other, answer, cancel } = await withMessages();
  await writeFile(join(repo.gitDir, 'shallow'), `${answer}\n`);
  expect(await readLooseHistory(repo, { from: cancel, not: answer })).toHaveLength(1);
  expect(await readLooseHistory(repo, { from: cancel, not: other })).toBeNull();
  const [edge] = await readHistory(repo, { from: [cancel], not: [other] });
  expect(edge).toMatchObject({ id: answer, parents: [] });
});

test('below its scissors git sees no trailers, and neither do we', async () => {
  const { repo, writer, task } = await withMessages();
  const subject = '# ------------------------ >8 ------------------------';
  const id = await writer.set(task, 'inbox.json', 'x', { message: `${subject}\n\nTask: ${task}\n` });
  const [said] = await readHistory(repo, { from: [id], maxCount: 1 });
  expect(said).toMatchObject({ subject, taskTrailer: '' });
  expect(await readLooseHistory(repo, { from: id, not: task })).toBeNull();
  expect(await readHistory(repo, { from: [id], not: [task] })).toEqual([said]);
});

test('more than a few commits are for git', async () => {
  const { repo, writer, root, cancel } = await withMessages();
  let tip = cancel;
  for (let count = 5; count <= 16; count += 1) tip = await writer.ask(tip, `no. ${count}`);
  expect(await readLooseHistory(repo, { from: tip, not: root })).toHaveLength(16);
  const next = await writer.ask(tip, 'one too many');
  expect(await readLooseHistory(repo, { from: next, not: root })).toBeNull();
  expect(await readHistory(repo, { from: [next], not: [root] })).toHaveLength(17);
});

test('whatever a commit says, it is told as git tells it, or left to git', async () => {
  const { repo, writer, task, cancel } = await withMessages();
  const tree = await writer.treeOf(task);
  const blob = await writer.blob('text');
  const write = (type: 'commit' | 'tree', content: Buffer) =>
    writeLooseObject(repo.gitDir, { type, content }, 'sha1');
  const entry = (mode: string, name: string, id: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`, 'latin1'), Buffer.from(id, 'hex')]);
  const oldTree = await repo.git(['cat-file', 'tree', tree]).then(() => gitOk(['ls-tree', tree], repo));
  const taskBlob = oldTree.split(/\s/)[2] ?? '';

  /** Mostly the plain one, or two odd things would hide each other. */
  const mostly = <T>(plain: T, ...odd: T[]) =>
    fc.oneof({ weight: 2, arbitrary: fc.constant(plain) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
  const kept = entry('100644', 'task.txt', taskBlob);
  const trees = mostly(
    [entry('100644', 'inbox.json', blob), kept],
    [entry('100644', 'task.txt', blob)],
    [entry('100644', 'inbox.json', blob)],
    [entry('100755', 'task.txt', taskBlob)],
    [entry('120000', 'task.txt', blob)],
    [kept],
    [],
    [entry('100644', 'a', blob), entry('100644', 'b', blob), kept],
    [entry('40000', 'inbox.json', tree), kept],
    [kept, entry('100644', '\xd1\x8f\xff', blob)],
  );
  const subject = mostly(
    ['answer 12: x'],
    ...[
      ['Task: abc'],
      ['# ------------------------ >8 ------------------------'],
      ['; ------------------------ >8 ------------------------'],
      ['------------------------ >8 ------------------------'],
      ['a', 'b'],
      ['', 'a'],
      [' a'],
      ['a '],
      ['a\r'],
      ['\u00a0a'],
      ['\ufeffa'],
      ['я 🤔'],
      ['#a'],
      ['---'],
      [''],
    ],
    ...[['a\tb  c'], ['a\u0001'], ['a\u2028b'], ['a\u0085']],
  );
  const line = mostly(
    'Model: a: b',
    ...[
      'Task: abc',
      'Task: d',
      'Task:abc',
      'task: abc',
      'Task : abc',
      'TASK-HASH: 1',
      'Task-Hash: d',
      'Status: ok',
      'Task: ',
    ],
    ...[
      'Signed-off-by: A <a@b>',
      ' continued',
      '# comment',
      '---',
      'no trailer',
      'Task',
      'é: я',
      'Task: я🤔',
      '',
      ' ',
      '\r',
    ],
    ...[
      'Status: ok\r',
      'Status: ok ',
      'Status:  ok',
      'Status: \u00a0ok',
      '(cherry picked from commit a)',
      '1: 2',
      '-: x',
      'Xé: 1',
    ],
  );
  const end = mostly('\n', '', '\n\n', ' \n', '\0\n');
  const person = mostly(
    'a <a@b> 1700000000 +0000',
    ...[
      'A B <> 1700000000 -1130',
      ' x <a> 1700000000 +0000',
      'x  <a> 1700000000 +0000',
      '<a> 1700000000 +0000',
    ],
    ...[
      'я. <a@b> 1700000000 +0000',
      'a. , <a@b> 1700000000 +0000',
      'a <a@b> 01700000000 +0000',
      'a\u0001 <a> 0 +0000',
    ],
    ...['a <a@b> 17000000000000000000000 +0000', 'a <a@b> -5 +0000', 'a <a@b>', 'a <b <c> 1700000000 +0000'],
    ...['a <a@b> 1700000000 +99999', 'a <a@b> 99999999999 +0000', 'a"b\' <a@b> 1 +0000'],
  );
  const headers = mostly('', 'encoding ISO-8859-1\n', 'gpgsig x\n y\n', 'odd z\n');
  const parents = mostly([task], [task, task], [task, cancel], []);
  let told = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        trees,
        subject,
        lines: fc.array(line, { maxLength: 5 }),
        end,
        author: person,
        committer: person,
        headers,
        parents,
      }),
      async (made) => {
        const treeId = await write('tree', Buffer.concat(made.trees));
        const head = [`tree ${treeId}`, ...made.parents.map((one) => `parent ${one}`)].join('\n');
        const who = `author ${made.author}\ncommitter ${made.committer}\n${made.headers}`;
        const body = [...made.subject, ...(made.lines.length > 0 ? [''] : []), ...made.lines].join('\n');
        const id = await write('commit', Buffer.from(`${head}\n${who}\n${body}${made.end}`));
        const [commit, ...others] = (await readLooseHistory(repo, { from: id, not: task })) ?? [];
        if (commit === undefined) return;
        told += 1;
        expect(others).toEqual([]);
        const [said] = await readHistory(repo, { from: [id], maxCount: 1 });
        expect(commit).toEqual(said);
      },
    ),
    { numRuns: 1000 },
  );
  expect(told).toBeGreaterThan(10);
}, 120_000);
