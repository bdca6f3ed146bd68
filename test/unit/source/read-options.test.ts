import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseAst } from 'vitest/node';
import { camelCase } from '../../../src/cli/option.js';
import { OPTIONS, POSITIONALS } from '../../../src/cli/options.js';

// An option that no command reads is offered, taken, and does nothing. Neither the compiler nor the linter
// sees it: the property is there for whoever wants it.

const cli = fileURLToPath(new URL('../../../src/cli/', import.meta.url));

/** A node of the syntax tree (ESTree), as far as it is looked at. */
interface Node {
  readonly type: string;
  readonly name?: string;
  readonly object?: Node;
  readonly property?: Node;
  readonly computed?: boolean;
  readonly properties?: readonly { readonly key?: Node }[];
}

/** The properties that code takes out of objects, those of the tables of options left out. */
function propertiesRead(code: string): string[] {
  const read: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('type' in value) read.push(...readBy(value as Node));
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(parseAst(code, { lang: 'ts' }));
  return read;
}

function readBy({ type, object, property, computed, properties }: Node): string[] {
  if (type === 'ObjectPattern') return (properties ?? []).flatMap(({ key }) => key?.name ?? []);
  if (type !== 'MemberExpression' || computed) return [];
  return /^(?:OPTIONS|POSITIONALS|\w+_ROWS)$/.test(object?.name ?? '') ? [] : [property?.name ?? ''];
}

test('every option and positional is read by a command, or by what commands share', () => {
  const files = readdirSync(cli, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const read = new Set(files.flatMap((name) => propertiesRead(readFileSync(join(cli, name), 'utf8'))));
  const rows = [...Object.values(OPTIONS), ...Object.values(POSITIONALS)];

  expect(rows.map(({ name }) => name).filter((name) => !read.has(camelCase(name)))).toEqual([]);
});

test.each([
  ['createAgent({ greeting: args.greeting });', ['greeting']],
  ['function run({ greeting, other: { name } }) {}', ['greeting', 'other', 'name']],
  ['const list = [OPTIONS.greeting, TASK_ROWS.greeting];', []],
  ["const rows = { greeting: option('greeting', {}) };", []],
])('what is read: %s', (code, wanted) => {
  expect(propertiesRead(code)).toEqual(wanted);
});
