import { element, fill, form } from './element.js';
import { get, post } from './gateway.js';
import { wordsOf } from './view.js';
import { say } from './words.js';

/** How each program is told of this gateway: `<ADDRESS>`, `<MODEL>` and `<TOKEN>` are replaced. */
const PROGRAMS: readonly (readonly [name: string, text: string])[] = [
  [
    'curl',
    `curl <ADDRESS>/v1/chat/completions -H 'authorization: Bearer <TOKEN>' -H 'content-type: application/json' \\
  -d '{"model": "<MODEL>", "messages": [{"role": "user", "content": "2+2"}]}'`,
  ],
  [
    'Python (openai)',
    `from openai import OpenAI
client = OpenAI(base_url="<ADDRESS>/v1", api_key="<TOKEN>")
answer = client.chat.completions.create(model="<MODEL>", messages=[{"role": "user", "content": "2+2"}])
print(answer.choices[0].message.content)`,
  ],
  [
    'Node (openai)',
    `import OpenAI from 'openai';
const client = new OpenAI({ baseURL: '<ADDRESS>/v1', apiKey: '<TOKEN>' });
const answer = await client.chat.completions.create({ model: '<MODEL>', messages: [{ role: 'user', content: '2+2' }] });
console.log(answer.choices[0].message.content);`,
  ],
  ['Open WebUI', 'OPENAI_API_BASE_URL=<ADDRESS>/v1\nOPENAI_API_KEY=<TOKEN>'],
  [
    'Continue (config.yaml)',
    `models:
  - name: llm-bridge
    provider: openai
    model: <MODEL>
    apiBase: <ADDRESS>/v1
    apiKey: <TOKEN>`,
  ],
  [
    'LiteLLM (config.yaml)',
    `model_list:
  - model_name: <MODEL>
    litellm_params:
      model: openai/<MODEL>
      api_base: <ADDRESS>/v1
      api_key: <TOKEN>`,
  ],
  [
    'llm (extra-openai-models.yaml; llm keys set llm-bridge, then TOKEN)',
    `- model_id: llm-bridge
  model_name: <MODEL>
  api_base: <ADDRESS>/v1
  api_key_name: llm-bridge`,
  ],
  [
    'Claude Code',
    'export ANTHROPIC_BASE_URL=<ADDRESS> ANTHROPIC_AUTH_TOKEN=<TOKEN> ANTHROPIC_MODEL=<MODEL>\nclaude',
  ],
  ['Ollama', 'export OLLAMA_HOST=<ADDRESS>\nollama run <MODEL>'],
  ['n8n', 'OpenAI credential: Base URL <ADDRESS>/v1, API key <TOKEN>'],
];

/**
 * How to connect each program, with this gateway's own address, a model that is there, and a token that is
 * made here. Throws as `get`.
 */
export async function openConnect(model: string): Promise<HTMLElement> {
  const { name } = await get<{ readonly name: string | null }>('/page/tokens');
  const blocks = element('div');
  const show = (token: string) =>
    fill(
      blocks,
      ...PROGRAMS.flatMap(([title, text]) => [element('h3', {}, title), snippet(text, model, token)]),
    );
  show('TOKEN');
  const first = name === null ? element('p', {}, say('noTokenNeeded')) : tokenForm(show);
  return element(
    'section',
    { 'aria-label': say('connect') },
    element('p', {}, say('connectHelp')),
    first,
    blocks,
  );
}

function snippet(text: string, model: string, token: string): HTMLElement {
  const shown = text
    .replaceAll('<ADDRESS>', () => location.origin)
    .replaceAll('<MODEL>', () => model || 'MODEL')
    .replaceAll('<TOKEN>', () => token);
  return element('pre', { tabindex: '0' }, shown);
}

/** Makes a token for a program; `show` puts it into the settings. */
function tokenForm(show: (token: string) => void): HTMLElement {
  const input = element('input', { id: 'token-name', required: true, autocomplete: 'off', maxlength: '64' });
  const said = element('p', { role: 'status' });
  const make = async () => {
    const { token } = await post<{ readonly token: string }>('/page/tokens', { name: input.value.trim() });
    show(token);
    fill(said, element('code', {}, token), ` ${say('madeToken')}`);
    input.value = '';
  };
  return form(
    {},
    () =>
      void make().catch((error: unknown) => {
        said.textContent = wordsOf(error);
      }),
    element('label', { for: 'token-name' }, say('tokenName')),
    element('div', { class: 'row' }, input, element('button', { type: 'submit' }, say('makeToken'))),
    said,
  );
}
