import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseAst } from 'vitest/node';

/** A regular expression in a source file. */
export interface FoundRegex {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

/** A node of the syntax tree (ESTree), with the fields used here. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * Every regular expression of a TypeScript file: the literals, and what is made with `RegExp` out of
 * constants, be they of another file. Throws where one is made of anything else, or of a string without
 * saying so (`text.match('…')`): its cost cannot be known.
 */
export function findRegexes(file: string): FoundRegex[] {
  const found: FoundRegex[] = [];
  visit(programOf(file), (node) => {
    const literal = regexOf(node);
    if (literal !== null) found.push({ file, source: literal.pattern, flags: literal.flags });
    if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return;
    const [pattern, flags] = node.arguments as Node[];
    const callee = node.callee as Node;
    if (callee.name === 'RegExp') {
      found.push({
        file,
        source: constantOf(file, pattern),
        flags: flags === undefined ? '' : constantOf(file, flags),
      });
    }
    const method = (callee.property as Node | undefined)?.name;
    if (['match', 'matchAll', 'search'].includes(String(method)) && pattern !== undefined && isText(pattern))
      throw new Error(`${file}: ${method}() makes a regular expression of a string; write it as one`);
  });
  return found;
}

const programs = new Map<string, Node>();

function programOf(file: string): Node {
  const known = programs.get(file);
  if (known !== undefined) return known;
  const program = parseAst(readFileSync(file, 'utf8'), { lang: 'ts' }) as unknown as Node;
  programs.set(file, program);
  return program;
}

function visit(value: unknown, look: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if ('type' in value && typeof value.type === 'string') look(value as Node);
  for (const inner of Object.values(value)) visit(inner, look);
}

function regexOf(node: Node): { pattern: string; flags: string } | null {
  return node.type === 'Literal' && node.regex ? (node.regex as { pattern: string; flags: string }) : null;
}

function isText(node: Node): boolean {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string');
}

/** The text of an expression of constants. */
function constantOf(file: string, node: Node | undefined): string {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node?.type === 'TemplateLiteral') return templateOf(file, node, 'cooked');
  if (node?.type === 'TaggedTemplateExpression') return templateOf(file, node.quasi as Node, 'raw');
  if (node?.type === 'Identifier') return namedConstant(file, String(node.name));
  throw new Error(`${file} makes a regular expression of something that is no constant (${node?.type})`);
}

function templateOf(file: string, node: Node, form: 'cooked' | 'raw'): string {
  const texts = (node.quasis as { value: { cooked: string; raw: string } }[]).map((one) => one.value[form]);
  const values = (node.expressions as Node[]).map((one) => constantOf(file, one));
  return texts.map((text, index) => text + (values[index] ?? '')).join('');
}

/** A constant at the top of the file, or one that the file imports. */
function namedConstant(file: string, name: string): string {
  for (const statement of programOf(file).body as Node[]) {
    if (statement.type === 'ImportDeclaration') {
      const from = (statement.specifiers as Node[]).find((one) => (one.local as Node).name === name);
      if (from === undefined) continue;
      const path = String((statement.source as Node).value).replace('.js', '.ts');
      return namedConstant(join(dirname(file), path), String((from.imported as Node).name));
    }
    const declared = (
      statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    ) as Node;
    if (declared?.type !== 'VariableDeclaration' || declared.kind !== 'const') continue;
    const one = (declared.declarations as Node[]).find((each) => (each.id as Node).name === name);
    if (one !== undefined) return constantOf(file, one.init as Node);
  }
  throw new Error(`${file} makes a regular expression with ${name}, which is no constant of a file`);
}
