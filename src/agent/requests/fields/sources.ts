import type { Source } from '../field.js';

/*
 * Pages that document fields which model servers at home take beside those of the API's own reference.
 */

export const LLAMA_CPP: Source = {
  name: 'llama.cpp',
  url: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
};

export const LM_STUDIO: Source = {
  name: 'LM Studio',
  url: 'https://lmstudio.ai/docs/developer/openai-compat/chat-completions',
};

/** What Ollama's OpenAI paths read. */
export const OLLAMA_OPENAI: Source = {
  name: 'Ollama',
  url: 'https://github.com/ollama/ollama/blob/main/openai/openai.go',
};

/** `options` of Ollama's own API. */
export const OLLAMA_OPTIONS: Source = {
  name: 'Ollama',
  url: 'https://github.com/ollama/ollama/blob/main/api/types.go',
};

export const STRUCTURED_OUTPUTS: Source = {
  name: 'Anthropic',
  url: 'https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs',
};
