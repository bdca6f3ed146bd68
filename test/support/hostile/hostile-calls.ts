/** A call that is refused, and the field that it is refused for. */
export type HostileCall = readonly [what: string, path: string, body: Record<string, unknown>, field: string];

const CHAT = '/v1/chat/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';
const NATIVE = '/api/chat';
/** A picture that is one by its first bytes, in base64: the smallest PNG's. */
export const PICTURE = Buffer.from('\x89PNG\r\n\x1a\n0000IHDR', 'latin1').toString('base64');
const DATA = `data:image/png;base64,${PICTURE}`;

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });
/** A message with this part beside a text. */
export const part = (one: unknown) => user([{ type: 'text', text: 'a' }, one]);
const image = (url: unknown) => part({ type: 'image_url', image_url: { url } });
const item = (content: unknown) => ({ input: [{ role: 'user', content: [content] }] });
/** A call with this tool. */
export const tool = (one: unknown) => ({ tools: [one] });
const pictures = (one: unknown) => ({ messages: [{ role: 'user', content: 'a', images: [one] }] });
const schema = (one: unknown) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: one } },
});
const SCHEMA = 'response_format.json_schema.schema';

/** A value in so many objects. */
export function nested(levels: number, key = 'a'): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = { [key]: value };
  return value;
}

function times<T>(count: number, make: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

/** What a model server would fetch or read. */
export const FETCHED: readonly HostileCall[] = [
  ['a picture by https', CHAT, image('https://192.168.1.1/reboot'), 'messages.0.content.1.image_url.url'],
  [
    'a picture by http',
    CHAT,
    image('http://169.254.169.254/latest/meta-data'),
    'messages.0.content.1.image_url.url',
  ],
  ['a scheme in capitals', CHAT, image('HTTPS://example.com/a.png'), 'messages.0.content.1.image_url.url'],
  [
    'white space before it',
    CHAT,
    image(' \n https://example.com/a.png'),
    'messages.0.content.1.image_url.url',
  ],
  ['a file', CHAT, image('file:///etc/passwd'), 'messages.0.content.1.image_url.url'],
  ['ftp', CHAT, image('ftp://example.com/a.png'), 'messages.0.content.1.image_url.url'],
  ['an address without a scheme', CHAT, image('//example.com/a.png'), 'messages.0.content.1.image_url.url'],
  ['a path', CHAT, image('/home/me/.ssh/id_ed25519'), 'messages.0.content.1.image_url.url'],
  [
    'an address behind data:',
    CHAT,
    image('data:https://example.com/a.png'),
    'messages.0.content.1.image_url.url',
  ],
  [
    'an address in data',
    CHAT,
    image('data:image/png;base64,https://example.com'),
    'messages.0.content.1.image_url.url',
  ],
  [
    'data that is no picture',
    CHAT,
    image('data:image/svg+xml;base64,PHN2Zz4='),
    'messages.0.content.1.image_url.url',
  ],
  ['data that is not base64', CHAT, image('data:image/png,%89PNG'), 'messages.0.content.1.image_url.url'],
  [
    'an address as the bare text',
    CHAT,
    part({ type: 'image_url', image_url: 'http://a/' }),
    'messages.0.content.1.image_url',
  ],
  ['a picture that does not say that it is data', CHAT, image(PICTURE), 'messages.0.content.1.image_url.url'],
  ['an address in a list', CHAT, image(['http://a/']), 'messages.0.content.1.image_url.url'],
  [
    'a video',
    CHAT,
    part({ type: 'video_url', video_url: { url: 'http://a/' } }),
    'messages.0.content.1.type',
  ],
  [
    'a sound by address',
    CHAT,
    part({ type: 'audio_url', audio_url: { url: 'http://a/' } }),
    'messages.0.content.1.type',
  ],
  [
    'an address for a sound',
    CHAT,
    part({ type: 'input_audio', input_audio: { data: 'http://a/b.wav', format: 'wav' } }),
    'messages.0.content.1.input_audio.data',
  ],
  [
    'a file by its id',
    CHAT,
    part({ type: 'file', file: { file_id: 'file-1' } }),
    'messages.0.content.1.file.file_id',
  ],
  [
    'an address for a file',
    CHAT,
    part({ type: 'file', file: { file_data: 'http://a/b.pdf' } }),
    'messages.0.content.1.file.file_data',
  ],
  [
    'a file by its address',
    CHAT,
    part({ type: 'file', file: { file_url: 'http://a/' } }),
    'messages.0.content.1.file.file_url',
  ],
  ['a part without a type', CHAT, part({ image_url: { url: 'http://a/' } }), 'messages.0.content.1.type'],
  [
    'a sound kept elsewhere',
    CHAT,
    { messages: [{ role: 'assistant', audio: { id: 'a' } }] },
    'messages.0.audio',
  ],
  [
    'an address from a tool',
    CHAT,
    {
      messages: [
        {
          role: 'tool',
          tool_call_id: 'a',
          content: [{ type: 'image_url', image_url: { url: 'http://a/' } }],
        },
      ],
    },
    'messages.0.content.0.image_url.url',
  ],
  [
    'an input image by address',
    RESPONSES,
    item({ type: 'input_image', image_url: 'https://a/' }),
    'input.0.content.0.image_url',
  ],
  [
    'an input image by id',
    RESPONSES,
    item({ type: 'input_image', file_id: 'file-1' }),
    'input.0.content.0.file_id',
  ],
  [
    'an input file by address',
    RESPONSES,
    item({ type: 'input_file', file_url: 'https://a/' }),
    'input.0.content.0.file_url',
  ],
  [
    'an input file by id',
    RESPONSES,
    item({ type: 'input_file', file_id: 'file-1' }),
    'input.0.content.0.file_id',
  ],
  [
    'an address in what a tool gave back',
    RESPONSES,
    {
      input: [
        {
          type: 'function_call_output',
          call_id: 'a',
          output: [{ type: 'input_image', image_url: 'http://a/' }],
        },
      ],
    },
    'input.0.output.0.image_url',
  ],
  [
    'a source by address',
    MESSAGES,
    user([{ type: 'image', source: { type: 'url', url: 'https://a/' } }]),
    'messages.0.content.0.source.type',
  ],
  [
    'a source by file',
    MESSAGES,
    user([{ type: 'image', source: { type: 'file', file_id: 'f' } }]),
    'messages.0.content.0.source.type',
  ],
  [
    'a document by address',
    MESSAGES,
    user([{ type: 'document', source: { type: 'url', url: 'https://a/' } }]),
    'messages.0.content.0.source.type',
  ],
  [
    'an address as the data of a source',
    MESSAGES,
    user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'https://a/' } }]),
    'messages.0.content.0.source.data',
  ],
  [
    'an address beside the data of a source',
    MESSAGES,
    user([
      {
        type: 'image',
        source: { type: 'base64', media_type: 'image/png', data: PICTURE, file_url: 'https://a/' },
      },
    ]),
    'messages.0.content.0.source.file_url',
  ],
  [
    'an address within a document',
    MESSAGES,
    user([
      {
        type: 'document',
        source: { type: 'content', content: [{ type: 'image', source: { type: 'url', url: 'https://a/' } }] },
      },
    ]),
    'messages.0.content.0.source.content.0.source.type',
  ],
  [
    'an address within the result of a tool',
    MESSAGES,
    user([
      {
        type: 'tool_result',
        tool_use_id: 'a',
        content: [{ type: 'image', source: { type: 'url', url: 'http://a/' } }],
      },
    ]),
    'messages.0.content.0.content.0.source.type',
  ],
  ['an upload', MESSAGES, user([{ type: 'container_upload', file_id: 'f' }]), 'messages.0.content.0.type'],
  [
    'a fetched page',
    MESSAGES,
    user([{ type: 'web_fetch_tool_result', tool_use_id: 'a', content: {} }]),
    'messages.0.content.0.type',
  ],
  ['a path as a picture', NATIVE, pictures('/etc/passwd'), 'messages.0.images.0'],
  ['a path that is base64', NATIVE, pictures('/etc/ssh/keyy'), 'messages.0.images.0'],
  ['a path from here', NATIVE, pictures('./photo.png'), 'messages.0.images.0'],
  ['an address as a picture', NATIVE, pictures('http://a/'), 'messages.0.images.0'],
  ['a data URL where digits belong', NATIVE, pictures(DATA), 'messages.0.images.0'],
  ['an object as a picture', NATIVE, pictures({ url: 'http://a/' }), 'messages.0.images.0'],
  ['a path in a completion', '/api/generate', { prompt: 'a', images: ['C:\\Users\\me\\a.png'] }, 'images.0'],
  ['tensors', '/v1/completions', { prompt_embeds: 'gASVAAAA' }, 'prompt_embeds'],
  [
    'more pictures than a call may have',
    NATIVE,
    { messages: times(65, () => ({ role: 'user', images: [PICTURE] })) },
    'messages.64.images.0',
  ],
  [
    'a film by address',
    CHAT,
    part({ type: 'video_url', video_url: { url: 'https://a/b.mp4' } }),
    'messages.0.content.1.type',
  ],
  [
    'a path that could be base64, for a sound',
    CHAT,
    part({ type: 'input_audio', input_audio: { data: '/etc/shadow0', format: 'wav' } }),
    'messages.0.content.1.input_audio.data',
  ],
  [
    'parts in an API that has none',
    NATIVE,
    user([{ type: 'image_url', image_url: { url: 'https://a/b.png' } }]),
    'messages.0.content',
  ],
  [
    'addresses beside a prompt (llama.cpp)',
    '/v1/completions',
    { prompt: { prompt_string: '<__media__>', multimodal_data: ['https://a/b.png'] } },
    'prompt',
  ],
  [
    'the same among several prompts',
    '/v1/completions',
    { prompt: ['a', { prompt_string: 'b', multimodal_data: ['https://a/b.png'] }] },
    'prompt.1',
  ],
  [
    'a picture to make a vector of, by address',
    '/v1/embeddings',
    { input: [{ type: 'image_url', image_url: { url: 'https://a/b.png' } }] },
    'input.0',
  ],
  [
    'the picture of a screen by address',
    RESPONSES,
    {
      input: [
        {
          ...{ type: 'computer_call_output', call_id: 'a' },
          output: { type: 'computer_screenshot', image_url: 'https://a/b.png' },
        },
      ],
    },
    'input.0.type',
  ],
  [
    'a page that was found, by its address',
    MESSAGES,
    user([
      { type: 'search_result', source: 'https://a/', title: 'a', content: [{ type: 'text', text: 'b' }] },
    ]),
    'messages.0.content.0.type',
  ],
  [
    'a file of a container',
    MESSAGES,
    user([{ type: 'container_upload', file_id: 'file_1' }]),
    'messages.0.content.0.type',
  ],
  [
    'a schema elsewhere as the format of an answer',
    MESSAGES,
    { output_format: { type: 'json_schema', schema: { items: { $ref: 'file:///etc/passwd' } } } },
    'output_format.schema',
  ],
];

/** What it would run, load or keep. */
export const RUN: readonly HostileCall[] = [
  [
    'a tool of a server: MCP',
    RESPONSES,
    tool({ type: 'mcp', server_url: 'http://a/', server_label: 'a' }),
    'tools.0.type',
  ],
  ['a tool that searches the web', RESPONSES, tool({ type: 'web_search' }), 'tools.0.type'],
  ['an older one', RESPONSES, tool({ type: 'web_search_preview' }), 'tools.0.type'],
  [
    'a tool that searches files',
    RESPONSES,
    tool({ type: 'file_search', vector_store_ids: ['v'] }),
    'tools.0.type',
  ],
  [
    'a tool that runs code',
    RESPONSES,
    tool({ type: 'code_interpreter', container: { type: 'auto' } }),
    'tools.0.type',
  ],
  ['a tool that uses a computer', RESPONSES, tool({ type: 'computer_use_preview' }), 'tools.0.type'],
  ['a shell', RESPONSES, tool({ type: 'local_shell' }), 'tools.0.type'],
  ['a tool without a type', RESPONSES, tool({ name: 'a', parameters: {} }), 'tools.0.type'],
  ['a tool whose type is a list', RESPONSES, tool({ type: ['function'], name: 'a' }), 'tools.0.type'],
  ['a tool that is found in a prototype', RESPONSES, tool({ type: 'constructor' }), 'tools.0.type'],
  ['tools in a namespace', RESPONSES, tool({ type: 'namespace', name: 'a', tools: [] }), 'tools.0.type'],
  [
    'the choice of such a tool',
    RESPONSES,
    { tool_choice: { type: 'mcp', server_label: 'a' } },
    'tool_choice.type',
  ],
  [
    'it among those that are allowed',
    RESPONSES,
    { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp' }] } },
    'tool_choice.tools.0.type',
  ],
  [
    'an item that was kept elsewhere',
    RESPONSES,
    { input: [{ type: 'item_reference', id: 'msg_1' }] },
    'input.0.type',
  ],
  ['an approval', RESPONSES, { input: [{ type: 'mcp_approval_response', approve: true }] }, 'input.0.type'],
  [
    'a call of a shell',
    RESPONSES,
    { input: [{ type: 'shell_call', action: { commands: ['id'] } }] },
    'input.0.type',
  ],
  ['MCP in a chat', CHAT, tool({ type: 'mcp', server_url: 'http://a/' }), 'tools.0.type'],
  ['the search of a chat', CHAT, { web_search_options: {} }, 'web_search_options'],
  ["Anthropic's search", MESSAGES, tool({ type: 'web_search_20250305', name: 'web_search' }), 'tools.0.type'],
  ["Anthropic's fetch", MESSAGES, tool({ type: 'web_fetch_20250910', name: 'web_fetch' }), 'tools.0.type'],
  ["Anthropic's shell", MESSAGES, tool({ type: 'bash_20250124', name: 'bash' }), 'tools.0.type'],
  ["Anthropic's MCP servers", MESSAGES, { mcp_servers: [{ type: 'url', url: 'http://a/' }] }, 'mcp_servers'],
  ["Anthropic's container", MESSAGES, { container: 'c' }, 'container'],
  ["a tool of Ollama's that is none of the client's", NATIVE, tool({ type: 'web_search' }), 'tools.0.type'],
  ["LM Studio's plugins", RESPONSES, { integrations: ['mcp/playwright'] }, 'integrations'],
  ['a template', CHAT, { chat_template: '{% for a in range(999999999) %}a{% endfor %}' }, 'chat_template'],
  ["Ollama's template", '/api/generate', { template: '{{ .Prompt }}' }, 'template'],
  ['classes of Python', CHAT, { logits_processors: ['os.system'] }, 'logits_processors'],
  ['an earlier response', RESPONSES, { previous_response_id: 'resp_1' }, 'previous_response_id'],
  ['a conversation that is kept elsewhere', RESPONSES, { conversation: 'conv_1' }, 'conversation'],
  ['a prompt that is kept elsewhere', RESPONSES, { prompt: { id: 'pmpt_1' } }, 'prompt'],
  ['an adapter', CHAT, { lora: [{ id: 0, scale: 100 }] }, 'lora'],
  ['an adapter by its path', '/v1/completions', { lora_request: { lora_path: '/tmp/a' } }, 'lora_request'],
  ['a slot', CHAT, { id_slot: 0 }, 'id_slot'],
  ['a slot among the options', NATIVE, { options: { id_slot: 0 } }, 'options.id_slot'],
  ['another model beside the one', CHAT, { draft_model: 'org/a' }, 'draft_model'],
  ['other models behind the one', CHAT, { models: ['a', 'b'] }, 'models'],
];

/** What would burn its time or its memory. */
export const BURNS: readonly HostileCall[] = [
  ['a thousand answers', CHAT, { n: 1000 }, 'n'],
  ['no answer', CHAT, { n: 0 }, 'n'],
  ['half an answer', CHAT, { n: 1.5 }, 'n'],
  ['a number that is text', CHAT, { n: '8' }, 'n'],
  ['answers to choose from', '/v1/completions', { best_of: 9 }, 'best_of'],
  ['many prompts', '/v1/completions', { prompt: times(9, () => 'a') }, 'prompt'],
  ['few prompts with many answers', '/v1/completions', { prompt: ['a', 'b'], n: 5 }, 'n'],
  [
    'few prompts with many to choose from',
    '/v1/completions',
    { prompt: times(8, () => 'a'), n: 1, best_of: 2 },
    'best_of',
  ],
  ['many texts to embed', '/v1/embeddings', { input: times(2049, () => 'a') }, 'input'],
  ['more context than the owner allows', NATIVE, { options: { num_ctx: 32_769 } }, 'options.num_ctx'],
  ['no context', NATIVE, { options: { num_ctx: 0 } }, 'options.num_ctx'],
  ['tokens without end', CHAT, { max_tokens: 1e300 }, 'max_tokens'],
  ['a number that is none', CHAT, { temperature: Number.NaN }, 'temperature'],
  ['an endless number', CHAT, { temperature: Number.POSITIVE_INFINITY }, 'temperature'],
  ['a number beyond whole numbers', CHAT, { seed: 2 ** 60 }, 'seed'],
  ['many places to stop at', CHAT, { stop: times(17, String) }, 'stop'],
  ['long ones', CHAT, { stop: 'a'.repeat(1001) }, 'stop'],
  [
    'a bias for everything',
    CHAT,
    { logit_bias: Object.fromEntries(times(1025, (at) => [at, 1])) },
    'logit_bias',
  ],
  ['a bias for a text', CHAT, { logit_bias: { hello: 1 } }, 'logit_bias'],
  ['a bias out of bounds', CHAT, { logit_bias: { 1: 1000 } }, 'logit_bias.1'],
  ['the likelihood of everything', CHAT, { top_logprobs: 100_000 }, 'top_logprobs'],
  ['the same in a completion', '/v1/completions', { logprobs: 100_000 }, 'logprobs'],
  [
    'messages without end',
    CHAT,
    { messages: times(4097, () => ({ role: 'user', content: 'a' })) },
    'messages',
  ],
  ['parts without end', CHAT, user(times(257, () => ({ type: 'text', text: 'a' }))), 'messages.0.content'],
  ['tools without end', CHAT, { tools: times(513, () => ({ function: { name: 'a' } })) }, 'tools'],
  ['a long name', CHAT, { model: 'a'.repeat(257) }, 'model'],
  ['a grammar', CHAT, { grammar: 'root ::= "a"{0,9999999}' }, 'grammar'],
  [
    'a grammar as a format',
    CHAT,
    { response_format: { type: 'grammar', grammar: 'a' } },
    'response_format.type',
  ],
  ['an expression', CHAT, { guided_regex: '(a+)+$' }, 'guided_regex'],
  ['a schema that is a list', CHAT, schema([]), SCHEMA],
  ['a schema of another place', CHAT, schema({ $ref: 'https://example.com/a.json' }), SCHEMA],
  ['one deep inside', CHAT, schema({ items: [{ not: { $ref: 'file:///etc/passwd' } }] }), SCHEMA],
  ['a schema that is itself', CHAT, schema({ $ref: '#' }), SCHEMA],
  [
    'two that are each other',
    CHAT,
    schema({ $defs: { a: { $ref: '#/$defs/b' }, b: { anyOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }),
    SCHEMA,
  ],
  ['a schema that doubles forty times', CHAT, schema(laughs(40)), SCHEMA],
  ['a deep schema', CHAT, schema(nested(33, 'items')), SCHEMA],
  [
    'a wide schema',
    CHAT,
    schema({ properties: Object.fromEntries(times(10_001, (at) => [`a${at}`, true])) }),
    SCHEMA,
  ],
  ['a long schema', CHAT, schema({ description: 'a'.repeat(100_001) }), SCHEMA],
  ['alternatives without end', CHAT, schema({ enum: times(1001, String) }), SCHEMA],
  ['at least so many characters', CHAT, schema({ type: 'string', minLength: 9_999_999 }), SCHEMA],
  [
    'at least so many members, again and again',
    CHAT,
    schema({ anyOf: times(11, () => ({ minItems: 2000 })) }),
    SCHEMA,
  ],
  ['a counted repetition', CHAT, schema({ pattern: 'a{0,9999999}' }), SCHEMA],
  ['a repetition of repetitions', CHAT, schema({ pattern: '((a{0,50}){0,50}){0,50}' }), SCHEMA],
  ['a repetition that goes back and forth', CHAT, schema({ pattern: '^(a+)+$' }), SCHEMA],
  ['the same in a group with a name', CHAT, schema({ pattern: '(?<x>a+)+' }), SCHEMA],
  ['the same in one with flags', CHAT, schema({ pattern: '(?i:a+)+' }), SCHEMA],
  ['the same of classes', CHAT, schema({ pattern: '([^\\]a]+)*' }), SCHEMA],
  ['the same in alternatives', CHAT, schema({ pattern: '^(b|a*)*$' }), SCHEMA],
  ['the same of two', CHAT, schema({ pattern: '^(\\s*\\w+)+$' }), SCHEMA],
  ['the same two groups deep', CHAT, schema({ pattern: '^((?:[a-z]+)?){2,}$' }), SCHEMA],
  ['a pattern of names', CHAT, schema({ patternProperties: { '(x*)*': {} } }), SCHEMA],
  ['a long pattern', CHAT, schema({ pattern: 'a'.repeat(1001) }), SCHEMA],
  ['groups in groups', CHAT, schema({ pattern: `${'('.repeat(17)}a${')'.repeat(17)}` }), SCHEMA],
  [
    'the same in a tool',
    CHAT,
    tool({ function: { name: 'a', parameters: { pattern: '(a+)+' } } }),
    'tools.0.function.parameters',
  ],
  [
    "in Anthropic's tool",
    MESSAGES,
    tool({ name: 'a', input_schema: { $ref: 'http://a/' } }),
    'tools.0.input_schema',
  ],
  [
    'as the format of a response',
    RESPONSES,
    { text: { format: { type: 'json_schema', schema: { $ref: '#' } } } },
    'text.format.schema',
  ],
  ["as Ollama's format", NATIVE, { format: { pattern: '(a+)+' } }, 'format'],
  [
    'arguments 33 levels deep',
    MESSAGES,
    { messages: [{ role: 'assistant', content: [{ type: 'tool_use', input: nested(33) }] }] },
    'messages.0.content.0.input',
  ],
  [
    'arguments of many values',
    NATIVE,
    {
      messages: [
        { role: 'assistant', tool_calls: [{ function: { arguments: { a: times(20_001, () => 1) } } }] },
      ],
    },
    'messages.0.tool_calls.0.function.arguments',
  ],
  [
    'arguments with a prototype',
    NATIVE,
    {
      messages: [
        { role: 'assistant', tool_calls: [{ function: { arguments: JSON.parse('{"__proto__":1}') } }] },
      ],
    },
    'messages.0.tool_calls.0.function.arguments',
  ],
  ['a text where a list belongs', CHAT, { messages: 'hello' }, 'messages'],
  ['a list where an object belongs', CHAT, { messages: [[]] }, 'messages.0'],
  ['an unknown role', CHAT, { messages: [{ role: 'root', content: 'a' }] }, 'messages.0.role'],
  ['a content that is a number', CHAT, user(1), 'messages.0.content'],
  [
    'a pattern that burns in the format of an answer',
    MESSAGES,
    {
      output_format: {
        type: 'json_schema',
        schema: { type: 'string', pattern: '^((a{0,99}){0,99}){0,99}$' },
      },
    },
    'output_format.schema',
  ],
];

/** `$defs` of which each has the next one twice. */
function laughs(levels: number): Record<string, unknown> {
  const at = (level: number) => ({ $ref: `#/$defs/a${level}` });
  const defs = times(levels, (level) => [
    `a${level}`,
    { type: 'array', prefixItems: [at(level + 1), at(level + 1)] },
  ]);
  return { $defs: Object.fromEntries([...defs, [`a${levels}`, { type: 'null' }]]), items: at(0) };
}

/** What would load a model, or place it, or place a call: none of it is in what goes on. */
export const GONE: readonly (readonly [what: string, path: string, body: Record<string, unknown>])[] = [
  [
    'options that load it anew',
    NATIVE,
    { options: { num_gpu: 0, num_batch: 1, use_mmap: false, numa: true } },
  ],
  ['where it is loaded', '/api/generate', { options: { main_gpu: 7, num_thread: 999, low_vram: true } }],
  ['how it is guessed at', '/api/embed', { options: { draft_num_predict: 99 } }],
  ['how long it stays', NATIVE, { keep_alive: -1 }],
  ['how long it stays elsewhere', CHAT, { ttl: 99_999_999 }],
  ['what is kept of it', CHAT, { store: true, cache_prompt: true, metadata: { a: 'b' } }],
  ['what its server shows of itself', NATIVE, { _debug_render_only: true }],
  ['what a template is told', CHAT, { chat_template_kwargs: { messages: [] } }],
  [
    'who else is asked',
    CHAT,
    { provider: { order: ['elsewhere'] }, route: 'fallback', api_base: 'http://a/' },
  ],
  ['what a client of ours would send', CHAT, { extra_body: { lora: 1 }, extra_headers: { Host: 'a' } }],
  ['a field under another spelling', CHAT, { Tools: [{ type: 'mcp' }], ' tools': [], 'tools\u0000': [] }],
  ['what every object has', CHAT, { constructor: 'a', toString: 1, hasOwnProperty: 1 }],
  ['a prototype', CHAT, JSON.parse('{"__proto__": {"n": 1000}, "a": {"__proto__": 1}}')],
  ['an address beside a part', CHAT, part({ type: 'text', text: 'a', image_url: { url: 'http://a/' } })],
  ['a grammar of a tool', CHAT, tool({ type: 'custom', custom: { name: 'a', format: { type: 'grammar' } } })],
  [
    'the same in a response',
    RESPONSES,
    tool({ type: 'custom', name: 'a', format: { type: 'grammar', syntax: 'lark', definition: 'a: a' } }),
  ],
  [
    'the name of a file',
    CHAT,
    part({ type: 'file', file: { file_data: 'QUJD', filename: '../../.bashrc' } }),
  ],
  [
    'notes to a text',
    RESPONSES,
    item({ type: 'output_text', text: 'a', annotations: [{ type: 'file_path', file_id: 'f' }] }),
  ],
];

/** Paths that are none of the nine. */
export const OTHER_PATHS: readonly string[] = [
  '/api/delete',
  '/api/pull',
  '/api/create',
  '/api/blobs/sha256',
  '/v1/models',
  '/v1/chat/completions/',
  '/v1//chat/completions',
  '/v1/chat/../chat/completions',
  '/V1/chat/completions',
  '/v1/chat/completions?a=b',
  '/v1/chat/completions#a',
  '/v1/chat%2fcompletions',
  'v1/chat/completions',
  'http://example.com/v1/chat/completions',
  '//example.com/v1/chat/completions',
  '/slots',
  '/props',
  '/lora-adapters',
  '/api/v0/models/load',
  '/v1/chat/completions\n',
  '',
  '__proto__',
  'constructor',
];
