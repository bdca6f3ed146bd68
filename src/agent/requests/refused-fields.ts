import { BridgeError } from '../../protocol/bridge-error.js';

const STORED = 'names something that is kept elsewhere, and a bridge has only what is in the call';
const ELSEWHERE_TOOLS = 'asks for tools that run elsewhere; this agent runs none';
const PROGRAM = 'is a program that the model server would run, and it could run without end';
const PLACEMENT =
  'chooses what the model server loads or where it keeps a call, which is for its owner to say';
const FETCH = 'is an address or a file that the model server would read';

/**
 * Fields that end a call wherever they stand, by name, in any of the nine APIs. Without them the answer
 * would not be the one that was asked for; with them the model server would do something else than generate.
 * `--pass-field` takes none of them. The names are those of the references of OpenAI, Anthropic and Ollama,
 * of llama.cpp's tools/server/README.md, and of vLLM's and LM Studio's documentation.
 */
export const REFUSED_FIELDS: Readonly<Record<string, string>> = {
  previous_response_id: STORED,
  conversation: STORED,
  file_id: STORED,
  file_ids: STORED,
  vector_store_ids: STORED,
  tool_resources: STORED,
  container: ELSEWHERE_TOOLS,
  mcp_servers: ELSEWHERE_TOOLS,
  integrations: ELSEWHERE_TOOLS,
  web_search_options: ELSEWHERE_TOOLS,
  plugins: ELSEWHERE_TOOLS,
  file_url: FETCH,
  image_urls: FETCH,
  media_path: FETCH,
  // Tensors in a pickle (vLLM): whoever loads one runs what is in it.
  prompt_embeds: FETCH,
  chat_template: PROGRAM,
  template: PROGRAM,
  grammar: PROGRAM,
  grammar_triggers: PROGRAM,
  guided_json: PROGRAM,
  guided_regex: PROGRAM,
  guided_choice: PROGRAM,
  guided_grammar: PROGRAM,
  structured_outputs: PROGRAM,
  // Names of Python classes (vLLM), which it imports.
  logits_processors: PROGRAM,
  lora: PLACEMENT,
  lora_request: PLACEMENT,
  adapter: PLACEMENT,
  adapters: PLACEMENT,
  id_slot: PLACEMENT,
  slot_id: PLACEMENT,
  draft_model: PLACEMENT,
  models: PLACEMENT,
  fallbacks: PLACEMENT,
};

/** Why a field of this name ends a call; null where it does not. */
export function whyRefused(name: string): string | null {
  return Object.hasOwn(REFUSED_FIELDS, name) ? (REFUSED_FIELDS[name] ?? null) : null;
}

/** A field by its place: names joined by dots, without the indexes of lists (`options.num_thread`). */
const PASS_FIELD = /^[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,7}$/;

/** Whether `--pass-field` may name this: a field that is not refused by name. Nothing lets those pass. */
export function isPassField(name: string): boolean {
  return (
    PASS_FIELD.test(name) &&
    name.split('.').every((part) => part !== '__proto__' && whyRefused(part) === null)
  );
}

/** Throws BridgeError `usage` for the first name that `--pass-field` may not have, with the reason. */
export function requirePassFields(names: readonly string[]): void {
  const wrong = names.find((name) => !isPassField(name));
  if (wrong === undefined) return;
  const refused = wrong.split('.').find((part) => whyRefused(part) !== null);
  if (refused !== undefined) {
    throw new BridgeError(`the field ${refused} never passes: it ${whyRefused(refused)}`, {
      code: 'usage',
      remedy: 'docs/requests.md lists what is refused by name; any other field may pass',
    });
  }
  throw new BridgeError(`${JSON.stringify(wrong)} is no name of a field`, {
    code: 'usage',
    remedy: 'name it as "dropped" of an answer does, like chat_template_kwargs or options.num_thread',
  });
}
