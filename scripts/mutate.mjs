// Breaks src/protocol in one place after another, and the second reader likewise, and runs the test vectors
// each time: npm run mutate -- [--only protocol|reader] [--part K/N] [--file FILE] (--list shows what is
// broken). A vector has to notice 90 % of what StrykerJS's instrumenter thinks of as mistakes.
// test/mutation/equivalents.json explains those that nobody can notice. StrykerJS itself starts its test
// runner anew for what a module computes while it is loaded, and that is all of our schemas. So the tests of
// the vectors are bundled with the broken code here, and loaded once for each mutant, without vitest
// (test/mutation/vitest-shim.ts).
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { build } from 'esbuild';

const LEAST = 0.9;
/** How many mutants are tried in one process: what each has loaded stays in its memory. */
const IN_ONE_PROCESS = 25;
/** A mutant that is reached this often never ends: it is a hundred times for each byte of all vectors. */
const MAX_HITS = 300_000_000;
/**
 * One that loops where nothing is counted never ends either. This is the processor time that a mutant may
 * take: nearly three times that of all vectors. By the clock, a busy machine would end others, too.
 * Milliseconds.
 */
const MAX_CPU_MS = 20_000;
/** Ends the process where one turn takes too much of the processor; the turns are counted in `turn`. */
const WATCH = `
  const { turn, maxMs } = require('node:worker_threads').workerData;
  let [seen, sinceMs] = [0, 0];
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const nowMs = (user + system) / 1000;
    if (turn[0] !== seen) [seen, sinceMs] = [turn[0], nowMs];
    else if (nowMs - sinceMs > maxMs) process.kill(process.pid, 'SIGKILL');
  }, 200);
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const protocol = path.join(root, 'src', 'protocol');
const judges = ['stream-vectors', 'rule-vectors', 'vectors'].map((name) =>
  path.join(root, 'test', 'unit', 'protocol', `${name}.test.ts`),
);
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    part: { type: 'string', default: '1/1' },
    file: { type: 'string' },
    try: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

// Inside node_modules, so that the bundle finds the packages; parts may run beside one another.
const folder = path.join(
  root,
  'node_modules',
  '.cache',
  `llm-bridge-mutate-${values.part.replace('/', '-')}${values.file ?? ''}`,
);
const bundle = path.join(folder, 'judge.mjs');
/** The tests by the time that each takes, the cheapest first: most mutants are noticed by one of those. */
const orderFile = path.join(folder, 'order.json');

if (values.try !== undefined) {
  await tryMutants(JSON.parse(values.try));
} else if (values.list) {
  for (const { id, file, row, what } of await instrument()) console.log(id, `${file}:${row}`, oneLine(what));
} else {
  let isEnough = true;
  if (values.only !== 'reader') isEnough = await mutateProtocol();
  if (values.only !== 'protocol' && values.file === undefined) {
    const { status } = spawnSync(
      'python3',
      ['-B', path.join(root, 'test', 'mutation', 'mutate_reader.py'), values.part],
      { stdio: 'inherit' },
    );
    isEnough &&= status === 0;
  }
  process.exitCode = isEnough ? 0 : 1;
}

async function mutateProtocol() {
  const mutants = (await instrument()).filter(({ file }) => file === (values.file ?? file));
  if (mutants.length === 0) throw new Error(`there is nothing to break in ${values.file}`);
  const [part, of] = values.part.split('/').map(Number);
  const mine = mutants.filter((_, at) => at % of === part - 1);
  const { protocol: equivalents, apart } = JSON.parse(
    await readFile(path.join(root, 'test', 'mutation', 'equivalents.json'), 'utf8'),
  );
  const isExplained = (mutant) =>
    equivalents.some(
      ({ file, line, what }) =>
        file === mutant.file && mutant.line.includes(line) && new RegExp(what).test(mutant.what),
    );
  // Those that are explained are not tried: such a mutant survives, and so it costs as much as ten others.
  const unexplained = mine.filter((mutant) => !isExplained(mutant));
  const judged = unexplained.filter(
    (mutant) => !isWords(mutant) && !apart.some((one) => isInside(mutant, one)),
  );
  const noticed = new Set(runJudges(judged.map(({ id }) => id)));
  const survivors = judged.filter(({ id }) => !noticed.has(id));
  await rm(folder, { recursive: true, force: true });
  for (const { file, row, line, original, what } of survivors)
    console.log(`${file}:${row}: ${oneLine(original)} => ${oneLine(what)}   in ${line}`);
  const share = noticed.size / judged.length;
  console.log(
    `src/protocol: ${mine.length} mutants, ${mine.length - unexplained.length} of them equivalent, ${unexplained.length - judged.length} in what no vector is about (words for people, and what equivalents.json sets apart); of the rest ${noticed.size} are noticed and ${survivors.length} are not: ${(share * 100).toFixed(1)}%`,
  );
  return share >= LEAST;
}

/** Writes the bundle of judges and broken code, and returns the mutants. */
async function instrument() {
  const names = (await readdir(protocol)).filter((name) => name.endsWith('.ts'));
  const files = await Promise.all(
    names.map(async (name) => {
      const file = path.join(protocol, name);
      return { name: file, mutate: true, content: await readFile(file, 'utf8') };
    }),
  );
  const silent = { debug() {}, info() {}, warn() {}, isDebugEnabled: () => false };
  const done = await new Instrumenter(silent).instrument(files, {
    plugins: null,
    excludedMutations: [],
    ignorers: [],
    noHeader: false,
  });
  const broken = new Map(done.files.map(({ name, content }) => [name, content]));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await build({
    stdin: {
      contents: [
        ...judges.map((file) => `import ${JSON.stringify(file)};`),
        `export { registered } from ${JSON.stringify(path.join(root, 'test', 'mutation', 'vitest-shim.ts'))};`,
      ].join('\n'),
      resolveDir: root,
    },
    ...{ outfile: bundle, bundle: true, format: 'esm', platform: 'node', packages: 'external' },
    alias: { vitest: path.join(root, 'test', 'mutation', 'vitest-shim.ts') },
    plugins: [
      {
        name: 'broken',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
            const contents = withoutCounting(broken.get(file) ?? (await readFile(file, 'utf8')));
            // The bundle is in another folder than the files that it is made of.
            const url = JSON.stringify(pathToFileURL(file).href);
            return { contents: contents.replaceAll('import.meta.url', url), loader: 'ts' };
          });
        },
      },
    ],
    logLevel: 'error',
  });
  return done.mutants.map((mutant) => {
    const { content } = files.find(({ name }) => name === mutant.fileName);
    const lines = content.split('\n');
    const { start, end } = mutant.location;
    const slice = lines.slice(start.line, end.line + 1);
    slice[slice.length - 1] = slice.at(-1).slice(0, end.column);
    slice[0] = slice[0].slice(start.column);
    return {
      id: mutant.id,
      file: path.basename(mutant.fileName),
      row: start.line + 1,
      ...{ lines, line: lines[start.line].trim() },
      original: slice.join('\n'),
      what: mutant.replacement,
    };
  });
}

/** Whether a mutant leaves out words that people read: a text with a blank in it that no vector knows. */
function isWords({ original, what }) {
  if (what === '{}' && /^\{\s*error: '/.test(original)) return true;
  return (what === '""' || what === '``') && /^(['"`])[\s\S]* [\s\S]*\1$/.test(original);
}

/** Whether a mutant is inside a function, a method or a constant that is set apart; no name: anywhere. */
function isInside({ file, row, lines }, one) {
  if (file !== one.file) return false;
  if (one.name === undefined) return true;
  const isStart = new RegExp(`^\\s*(?:export )?(?:async )?(?:function |const )?${one.name}\\b`);
  const start = lines.findLastIndex((line) => isStart.test(line) && /[({=]/.test(line));
  if (start < 0) throw new Error(`${file} has no ${one.name}, which equivalents.json sets apart`);
  const indent = /^\s*/.exec(lines[start])[0];
  const isEnd = (line) => line.startsWith(indent) && /^[\])}]/.test(line.slice(indent.length));
  const length = /;$/.test(lines[start])
    ? 0
    : lines.slice(start + 1).findIndex((line) => isEnd(line) && !/\{$/.test(line)) + 1;
  return row - 1 >= start && row - 1 <= start + length;
}

/** The ids of those mutants that a vector notices. */
function runJudges(ids) {
  const noticed = [];
  // First the code as it is: where a vector is not met, no mutant can be judged.
  if (tryInProcess([null])[0]?.isNoticed !== false) throw new Error('the vectors are not met as the code is');
  for (let at = 0; at < ids.length; at += IN_ONE_PROCESS) {
    let left = ids.slice(at, at + IN_ONE_PROCESS);
    while (left.length > 0) {
      const found = tryInProcess(left);
      noticed.push(...found.filter(({ isNoticed }) => isNoticed).map(({ id }) => id));
      // A mutant that ends the process, or stands still, counts as noticed.
      if (found.length < left.length) noticed.push(left[found.length]);
      left = left.slice(found.length + 1);
    }
    console.error(`${Math.min(at + IN_ONE_PROCESS, ids.length)} of ${ids.length}`);
  }
  return noticed;
}

/** What became of the mutants that one process has tried; with [null], of the code as it is. */
function tryInProcess(ids) {
  const script = fileURLToPath(import.meta.url);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...[script, '--part', values.part, '--try', JSON.stringify(ids)],
      ...(values.file === undefined ? [] : ['--file', values.file]),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (ids[0] === null && stderr !== '') console.error(stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function tryMutants(ids) {
  const turn = new Int32Array(new SharedArrayBuffer(4));
  new Worker(WATCH, { eval: true, workerData: { turn, maxMs: MAX_CPU_MS } }).unref();
  const order = ids[0] === null ? undefined : JSON.parse(await readFile(orderFile, 'utf8'));
  for (const id of ids) {
    turn[0] += 1;
    globalThis.__stryker__ = { activeMutant: id ?? undefined, hitCount: 0, hitLimit: MAX_HITS };
    let isNoticed = false;
    try {
      const { registered } = await import(`${pathToFileURL(bundle).href}?mutant=${id}`);
      if (registered.length === 0) throw new Error('there are no tests');
      const tookMs = new Map();
      for (const at of order ?? registered.keys()) {
        const beganMs = performance.now();
        await registered[at]();
        tookMs.set(at, performance.now() - beganMs);
      }
      const cheapestFirst = [...tookMs].sort((a, b) => a[1] - b[1]).map(([at]) => at);
      if (order === undefined) await writeFile(orderFile, JSON.stringify(cheapestFirst));
    } catch (error) {
      isNoticed = true;
      if (id === null) console.error(error);
    }
    process.stdout.write(`${JSON.stringify({ id, isNoticed })}\n`);
  }
}

/**
 * The code without the counting of how often each place is reached: that takes most of the time, for
 * nothing.
 */
function withoutCounting(code) {
  return code.replace(/function stryCov_9fa48\(\) \{[\s\S]*?\n\}\n/, 'function stryCov_9fa48() {}\n');
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ').slice(0, 100);
}
