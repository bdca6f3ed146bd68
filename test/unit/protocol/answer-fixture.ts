import type { Answer } from '../../../src/protocol/answer.js';

/** A good answer, with what the test wants changed. */
export function someAnswer(changes: Partial<Answer> = {}): Answer {
  return {
    task_hash: 'ab'.repeat(32),
    task_commit: 'cd'.repeat(20),
    model: 'llama3.2',
    backend: 'ollama',
    answer: '4',
    error: null,
    created_at: '2026-11-22T17:02:27.123Z',
    latency_ms: 812,
    agent: 'home-pc',
    ...changes,
  };
}

/** Texts that break lines, forge, hide or turn round for a careless writer. */
export const NASTY_TEXTS: readonly string[] = [
  'a\nStatus: ok\r\nTask: x',
  'a\n\nTask: forged',
  'line\u2028sep\u2029para\u0085next\u000bvt\u000cff',
  '\u001b[2J\u001b]0;title\u0007\u009b31m',
  'abc\u202egnp.exe\u2066\u2069\u200f\u061c',
  '\u0000\u0001\u007f\u0080\u009f\ufeff',
  'Привет, 世界 😀 é',
  '"\\"{},[]:',
  ' \t\n ',
];
