import { element } from './element.js';
import { say } from './words.js';

/** How each program is told of this gateway: `ADDRESS`, `MODEL` and `TOKEN` are put in. */
const PROGRAMS: readonly (readonly [name: string, text: string])[] = [
  [
    'curl',
    `curl ADDRESS/v1/chat/completions -H 'authorization: Bearer TOKEN' -H 'content-type: application/json' \\
  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "2+2"}]}'`,
  ],
  [
    'Python (openai)',
    `from openai import OpenAI
client = OpenAI(base_url="ADDRESS/v1", api_key="TOKEN")
answer = client.chat.completions.create(model="MODEL", messages=[{"role": "user", "content": "2+2"}])
print(answer.choices[0].message.content)`,
  ],
  [
    'Node (openai)',
    `import OpenAI from 'openai';
const client = new OpenAI({ baseURL: 'ADDRESS/v1', apiKey: 'TOKEN' });
const answer = await client.chat.completions.create({ model: 'MODEL', messages: [{ role: 'user', content: '2+2' }] });
console.log(answer.choices[0].message.content);`,
  ],
  ['Open WebUI', 'OPENAI_API_BASE_URL=ADDRESS/v1\nOPENAI_API_KEY=TOKEN'],
  [
    'Continue (config.yaml)',
    `models:
  - name: llm-bridge
    provider: openai
    model: MODEL
    apiBase: ADDRESS/v1
    apiKey: TOKEN`,
  ],
  [
    'LiteLLM (config.yaml)',
    `model_list:
  - model_name: MODEL
    litellm_params:
      model: openai/MODEL
      api_base: ADDRESS/v1
      api_key: TOKEN`,
  ],
  [
    'llm (extra-openai-models.yaml)',
    `- model_id: llm-bridge
  model_name: MODEL
  api_base: ADDRESS/v1`,
  ],
  [
    'Claude Code',
    'export ANTHROPIC_BASE_URL=ADDRESS ANTHROPIC_AUTH_TOKEN=TOKEN ANTHROPIC_MODEL=MODEL\nclaude',
  ],
  ['Ollama', 'export OLLAMA_HOST=ADDRESS\nollama run MODEL'],
  ['n8n', 'OpenAI credential: Base URL ADDRESS/v1, API key TOKEN'],
];

/**
 * How to connect each program, with this gateway's own address and a model that is there. Tokens are made on
 * the server alone: one that could make others would outlive its own removal in them.
 */
export function openConnect(model: string): HTMLElement {
  const blocks = PROGRAMS.map(([title, text]) => [element('h3', {}, title), snippet(text)]);
  return element('section', { 'aria-label': say('connect') }, element('p', {}, say('connectHelp')), blocks);

  function snippet(text: string): HTMLElement {
    const shown = text.replaceAll('ADDRESS', location.origin).replaceAll('MODEL', model || 'MODEL');
    return element('pre', { tabindex: '0' }, shown);
  }
}
