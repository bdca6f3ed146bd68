import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseAst } from 'vitest/node';

// How the source is built, as far as neither the compiler nor the linter holds it.

const src = fileURLToPath(new URL('../../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .map((name) => ({ name, code: readFileSync(join(src, name), 'utf8') }));

/** A node of the syntax tree (ESTree), as far as it is looked at. */
interface Node {
  readonly type: string;
  readonly source?: { readonly value?: unknown } | null;
  readonly importKind?: string;
  readonly params?: readonly unknown[] | null;
}

const nodes = new Map(files.map(({ name, code }) => [name, nodesOf(code)]));

function nodesOf(code: string): readonly Node[] {
  const found: Node[] = [];
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    if ('type' in value && typeof value.type === 'string') found.push(value as Node);
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(parseAst(code, { lang: 'ts' }));
  return found;
}

/** The files with a node like this, in order. */
function filesWith(has: (node: Node) => boolean): string[] {
  return [...nodes].filter(([, all]) => all.some(has)).map(([name]) => name);
}

/** Whether a node brings values, not types alone, out of a module. */
function bringsFrom(module: RegExp) {
  return ({ type, source, importKind }: Node) =>
    /^(?:Import|Export)/.test(type) && importKind !== 'type' && module.test(String(source?.value));
}

test('one file starts programs', () => {
  expect(filesWith(bringsFrom(/^(?:node:)?child_process$/))).toEqual(['process/start-program.ts']);
});

test('simple-git is there for porcelain alone: one file has it', () => {
  expect(filesWith(bringsFrom(/^simple-git$/))).toEqual(['git/porcelain.ts']);
});

test('what git and ssh mean is read in one place, and what the hooks and the demo say in theirs', () => {
  const reads =
    /\bstderr\)?\.(?:includes|match|search|startsWith|split)\(|\.(?:test|exec)\((?:\w+\.)?stderr\b/;
  const reading = files.filter(({ code }) => reads.test(code)).map(({ name }) => name);
  // simple-git tells of a git that is not there by its output alone.
  expect(reading.sort()).toEqual(['demo/demo-program.ts', 'git/porcelain.ts', 'protocol/refusal.ts']);
});

test('a file is one concept, and has at most 200 lines', () => {
  const long = files.filter(({ code }) => code.split('\n').length - 1 > 200).map(({ name }) => name);
  expect(long).toEqual([]);
});

test('what a file exports has a name: no default export, no enum, and no file that only hands others on', () => {
  expect(filesWith(({ type }) => type === 'ExportDefaultDeclaration')).toEqual([]);
  expect(filesWith(({ type }) => type === 'TSEnumDeclaration')).toEqual([]);
  // The library is what others import.
  expect(filesWith(({ type }) => type === 'ExportAllDeclaration')).toEqual([]);
  const handing = ({ type, source }: Node) => type === 'ExportNamedDeclaration' && source != null;
  expect(filesWith(handing)).toEqual(['index.ts']);
  const vague = files.filter(({ name }) => /^(?:utils?|helpers?|common|misc)\.ts$/.test(basename(name)));
  expect(vague).toEqual([]);
});

test('six arguments in a row are an object', () => {
  expect(filesWith(({ params }) => Array.isArray(params) && params.length >= 6)).toEqual([]);
});

describe('the check', () => {
  test.each([
    ["import { spawn } from 'node:child_process';", true],
    ["import cp from 'child_process';", true],
    ["const { spawn } = await import('node:child_process');", true],
    ["export { spawn } from 'node:child_process';", true],
    ["import type { ChildProcess } from 'node:child_process';", false],
    ["import { spawn } from './child_process.js';", false],
  ])('%s brings a program starter: %s', (code, does) => {
    expect(nodesOf(code).some(bringsFrom(/^(?:node:)?child_process$/))).toBe(does);
  });

  test('counts the arguments of functions, methods and arrows', () => {
    const most = (code: string) => Math.max(...nodesOf(code).map(({ params }) => params?.length ?? 0));
    expect(most('function f(a: 1, b: 2) {}')).toBe(2);
    expect(most('class A { m(a: 1, b: 2, c: 3) {} }')).toBe(3);
    expect(most('const f = (a: 1) => a;')).toBe(1);
  });
});

test('a time limit is one that Node 20 does not collect (src/process/time-limit.ts)', () => {
  const withTimeout = files.filter(({ code }) => /AbortSignal\.timeout\(/.test(code)).map(({ name }) => name);
  expect(withTimeout).toEqual([]);
});
