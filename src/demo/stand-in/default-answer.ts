import * as z from 'zod';
import type { StandInRequest } from './stand-in-request.js';

/**
 * The default answer of the stand-in: the result of a simple sum (`2+2`, `What is 12 * 3?`), else a sentence
 * that repeats the beginning of the question. The same question always gets the same answer. With a format,
 * the answer is JSON.
 */
export function defaultAnswer(request: StandInRequest): string {
  const text = solve(request.question) ?? `The stand-in read: ${firstWords(request.question)}`;
  if (request.format === undefined || request.format === null) return text;
  if (request.format === 'json') return JSON.stringify({ answer: text });
  return JSON.stringify(sampleOf(request.format, text));
}

function solve(question: string): string | null {
  const match = /(-?\d{1,9}(?:\.\d{1,6})?)\s*([-+*/x×])\s*(-?\d{1,9}(?:\.\d{1,6})?)/.exec(question);
  if (match === null) return null;
  const [, left = '', operator = '', right = ''] = match;
  // Rounded to twelve digits, so that 0.1 + 0.2 is 0.3.
  return String(Number(calculate(Number(left), operator, Number(right)).toPrecision(12)));
}

function calculate(left: number, operator: string, right: number): number {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  if (operator === '/') return left / right;
  return left * right;
}

function firstWords(question: string): string {
  return question.trim().split(/\s+/).slice(0, 12).join(' ');
}

/** The part of JSON Schema that the sampler understands; for anything else it returns a string. */
const simpleSchema = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).min(1).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  minItems: z.int().min(0).optional(),
  minimum: z.number().optional(),
});

/**
 * A value that fits a simple JSON Schema: `type`, `properties`, `items`, `enum`, `const`, `minItems` and
 * `minimum`. Strings become `text`, numbers the number in `text` where there is one.
 */
function sampleOf(schema: unknown, text: string): unknown {
  const read = simpleSchema.safeParse(schema);
  if (!read.success) return text;
  const { data } = read;
  if (data.const !== undefined) return data.const;
  if (data.enum !== undefined) return data.enum[0];
  switch (typeOf(data)) {
    case 'object':
      return Object.fromEntries(
        Object.entries(data.properties ?? {}).map(([key, inner]) => [key, sampleOf(inner, text)]),
      );
    case 'array':
      return Array.from({ length: data.minItems ?? 1 }, () => sampleOf(data.items, text));
    case 'number':
    case 'integer':
      return numberIn(text, data.minimum ?? 0);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return text;
  }
}

function typeOf(schema: z.infer<typeof simpleSchema>): string | undefined {
  if (schema.type === undefined) return schema.properties === undefined ? undefined : 'object';
  return typeof schema.type === 'string' ? schema.type : schema.type[0];
}

function numberIn(text: string, minimum: number): number {
  const found = Number.parseInt(text, 10);
  return Number.isNaN(found) ? minimum : Math.max(found, minimum);
}
