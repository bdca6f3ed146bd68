import { sampleOf } from './sample-of.js';
import type { StandInRequest } from './stand-in-request.js';

/**
 * What the stand-in says of its own accord: the result of a simple sum (`2+2`, `What is 12 * 3?`), else a sentence that
 * repeats the beginning of the question. The same question always gets the same answer. With a format, it is JSON.
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
  // Twelve digits: 0.1 + 0.2 is 0.3 to whoever asks.
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
