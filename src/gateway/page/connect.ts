import { element, fill } from './element.js';
import { post } from './gateway.js';
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

/** How to connect each program, with this gateway's own address and a model that is there. */
export function openConnect(model: string): HTMLElement {
  let token = 'TOKEN';
  const blocks = element('div');
  const made = element('p', { role: 'status' });
  const name = element('input', { id: 'token-name', required: true, pattern: '[A-Za-z0-9._\\-]{1,64}' });
  const draw = () =>
    fill(
      blocks,
      PROGRAMS.map(([title, text]) => [element('h3', {}, title), snippet(text)]),
    );
  const make = async () => {
    const answer = await post<{ token: string }>('/page/token', { name: name.value });
    token = answer.token;
    fill(made, `${say('tokenOnce')} `, element('code', {}, token));
    // From the first one on the page needs one itself.
    await post('/page/login', { token });
    draw();
  };
  draw();
  return element(
    'section',
    { 'aria-label': say('connect') },
    element('p', {}, say('connectHelp')),
    element(
      'form',
      {
        onsubmit(event) {
          event.preventDefault();
          void make().catch((error: Error) => fill(made, error.message));
        },
      },
      element('label', { for: 'token-name' }, say('tokenName')),
      element('div', { class: 'row' }, name, element('button', { type: 'submit' }, say('makeToken'))),
      element('p', { class: 'hint' }, say('firstToken')),
      made,
    ),
    blocks,
  );

  function snippet(text: string): HTMLElement {
    const shown = text
      .replaceAll('ADDRESS', location.origin)
      .replaceAll('MODEL', model || 'MODEL')
      .replaceAll('TOKEN', token);
    return element('pre', { tabindex: '0' }, shown);
  }
}
