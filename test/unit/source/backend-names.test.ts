import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseAst } from 'vitest/node';
import { BACKENDS } from '../../../src/agent/backends/backends.js';

// A new backend is a folder and a line in the list, as long as nothing else tests, imports or names one.

const src = fileURLToPath(new URL('../../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/**
 * Who may: the backends themselves, the stand-in that speaks as they do, the lists of what each API takes,
 * which cite the reference they were made from, and the variables of clients, which name whose they are.
 */
const MAY_NAME =
  /^(?:agent\/backends\/|agent\/requests\/fields\/|demo\/stand-in\/|gateway\/(?:client-settings|page\/connect)\.ts$)/;

const NAMES = BACKENDS.flatMap(({ name, title }) => [name, title.toLowerCase()]);

test('no file but those of the backends names one in its code', () => {
  const naming = files.flatMap((file) => namesIn(file, readFileSync(join(src, file), 'utf8')));
  expect(naming.filter((place) => !MAY_NAME.test(place.file)).map(({ text }) => text)).toEqual([]);
  // What is looked for is found where it stands.
  const found = new Set(naming.map(({ file }) => file));
  for (const { name } of BACKENDS) expect(found).toContain(`agent/backends/${name}/${name}.ts`);
});

test.each([
  ["if (backend.name === 'ollama') stop();", 1],
  ["import { x } from './lmstudio/y.js';", 1],
  ['const url = settings.ollamaUrl;', 1],
  [`const text = \`start \${one} or LM Studio, or \${other}\`;`, 1],
  ['// Ollama says so.\n/** LM Studio too. */\nconst one = 1;', 0],
])('in code, comments left out: %j has %i', (code, count) => {
  expect(namesIn('a.ts', code)).toHaveLength(count);
});

interface NamedPlace {
  readonly file: string;
  /** The word or literal it is named in. */
  readonly word: string;
  /** The place and the word, for a person. */
  readonly text: string;
}

/**
 * A node of the syntax tree (ESTree): a name, a literal or a piece of a template has its text in one of
 * these.
 */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly name?: unknown;
  readonly value?: unknown;
}

/** The words and literals of a program that name a backend. Comments are no part of its syntax tree. */
function namesIn(file: string, code: string): NamedPlace[] {
  const places: NamedPlace[] = [];
  visit(parseAst(code, { lang: 'ts' }), (node) => {
    const word = wordOf(node);
    if (word === null || !NAMES.some((name) => word.toLowerCase().includes(name))) return;
    const line = code.slice(0, node.start).split('\n').length;
    places.push({ file, word, text: `${file}:${line}: ${word}` });
  });
  return places;
}

function wordOf({ type, name, value }: Node): string | null {
  if (type === 'Identifier' || type === 'PrivateIdentifier') return String(name);
  if (type === 'Literal') return String(value);
  return type === 'TemplateElement' ? String((value as { raw: string }).raw) : null;
}

function visit(value: unknown, look: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if ('type' in value && typeof value.type === 'string') look(value as Node);
  for (const inner of Object.values(value)) visit(inner, look);
}
