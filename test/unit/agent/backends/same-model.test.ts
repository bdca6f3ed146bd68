import { expect, test } from 'vitest';
import { sameLmstudioModel } from '../../../../src/agent/backends/lmstudio/lmstudio.js';
import { sameOllamaModel } from '../../../../src/agent/backends/ollama/ollama.js';

test.each([
  ['llama3.2', 'llama3.2:latest', true],
  ['LLama3.2:1B', 'llama3.2:1b', true],
  ['hf.co:443/me/model', 'hf.co:443/me/model:latest', true],
  ['llama3.2', 'llama3.2:1b', false],
  ['llama3.2', 'llama3', false],
])('ollama: %s and %s: %s', (asked, answered, same) => {
  expect(sameOllamaModel(asked, answered)).toBe(same);
});

test.each([
  ['qwen3-8b', 'qwen3-8b', true],
  ['Qwen3-8B', 'qwen3-8b', true],
  ['qwen3-8b', 'qwen/qwen3-8b', true],
  ['qwen/qwen3-8b', 'qwen3-8b', true],
  ['qwen3-8b', 'qwen3-8b:2', true],
  ['qwen3-8b:2', 'qwen3-8b', true],
  ['qwen3-8b', 'qwen3-8b@q4_k_m', true],
  ['qwen/qwen3-8b@q4_k_m', 'qwen3-8b@q4_k_m:3', true],
  ['qwen3-8b@q4_k_m', 'qwen3-8b@q8_0', false],
  ['qwen/qwen3-8b', 'other/qwen3-8b', false],
  ['qwen3-8b', 'qwen3-14b', false],
  ['qwen3-8b', 'gemma-3', false],
])('LM Studio: %s and %s: %s', (asked, answered, same) => {
  expect(sameLmstudioModel(asked, answered)).toBe(same);
});
