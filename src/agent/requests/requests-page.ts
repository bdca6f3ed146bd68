import { REQUEST_PATHS } from '../../protocol/request.js';
import { code, count, rowsOf } from './field-rows.js';
import { REQUEST_FIELDS } from './fields/request-fields.js';
import { MAX_JSON_VALUE_DEPTH, MAX_JSON_VALUES, MAX_MEDIA, MAX_MEDIA_CHARS } from './judge-field.js';
import { MAX_PATTERN_CHARS, MAX_PIECES } from './judge-pattern.js';
import {
  MAX_ALTERNATIVES,
  MAX_REPETITIONS,
  MAX_SCHEMA_CHARS,
  MAX_SCHEMA_DEPTH,
  MAX_SCHEMA_VALUES,
} from './judge-schema.js';
import { REFUSED_FIELDS } from './refused-fields.js';

/**
 * Fields that people miss, and why they are left out. A test checks that each of them is left out wherever
 * it may stand.
 */
export const LEFT_OUT: readonly (readonly [names: readonly string[], why: string])[] = [
  [['keep_alive', 'ttl'], 'How long a model stays in memory is for the owner of the PC to say'],
  [
    [
      'options.num_gpu',
      'options.main_gpu',
      'options.num_thread',
      'options.num_batch',
      'options.use_mmap',
      'options.draft_num_predict',
    ],
    'They load the model again, or elsewhere',
  ],
  [
    ['store', 'background'],
    'The bridge itself keeps every call and its answer, and nobody has to wait for it',
  ],
  [
    ['user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'service_tier'],
    'They serve the accounts of a provider. Who asked is in the record of the bridge',
  ],
  [['cache_prompt', 'cache_control'], 'The model server keeps what it likes of a prompt, told or not'],
  [
    ['chat_template_kwargs'],
    'They are no field of the API, and what they do depends on the template of the model. An owner who knows it lets them pass with `--pass-field chat_template_kwargs`',
  ],
];

/** The text of docs/requests.md, made of the lists that the agent judges by. */
export function requestsPage(): string {
  return `${[
    '# API calls',
    '',
    '<!-- Written by "npm run settings". Change src/agent/requests/, not this page. -->',
    '',
    'A task may be a call of a model server\'s API: `"request": {"path": "/v1/chat/completions", "body": {…}}` in `task.json`. The agent passes it on and answers',
    'with what the server said. Whoever may ask is not trusted with the PC, so the agent judges every call first, field by field. What comes out is text,',
    'pictures and numbers for a model; nothing in it makes a model server fetch, load, run or keep anything.',
    '',
    '- **A field of these lists passes**, within the bounds that stand beside it. One that is out of its bounds ends the call.',
    '- **A field that is in no list is left out**, and the answer names it in `dropped`, nested ones by their place: `options.num_gpu`. `agent --pass-field NAME`',
    '  lets one pass, any number of times.',
    '- **A field that would change what the call means is refused by name**, and so is any other path. The answer is then the error `request_refused`, which',
    '  names the field and says why. `null`, and `false` in such a field, count as left out.',
    '',
    'The model that a call names has to be in the list of the model server, and runs on that PC unless the agent has `--allow-cloud`.',
    '',
    'In the lists below `[]` is each member of a list, and `<…>` the form of an object: `messages[]<user>.content` is the content of a message whose',
    '`role` is `user`.',
    '',
    '## Refused by name',
    '',
    'Wherever they stand, but in what only a model reads (texts, arguments of tool calls, schemas):',
    '',
    ...table(['field', 'why'], refusedRows()),
    '',
    '## Left out',
    '',
    'Whatever is in no list, for example:',
    '',
    ...table(
      ['field', 'why'],
      LEFT_OUT.map(([names, why]) => [names.map(code).join(', '), why]),
    ),
    '',
    '## Bounds of what has no fields',
    '',
    `- **Pictures, sounds and files** are in the call, in base64: at most ${count(MAX_MEDIA)}, together ${count(MAX_MEDIA_CHARS)} characters. A picture is a PNG, JPEG, GIF or WebP by its`,
    '  first bytes. An address of any kind is refused: it would be fetched by the model server, from inside the home network.',
    `- **A JSON Schema** has at most ${count(MAX_SCHEMA_CHARS)} characters, ${count(MAX_SCHEMA_VALUES)} values and ${MAX_SCHEMA_DEPTH} levels, and at most ${count(MAX_ALTERNATIVES)} alternatives in one place. A \`$ref\` points into the schema`,
    `  itself, and not back to itself. A \`minLength\`, \`minItems\` and so on above ${count(MAX_REPETITIONS)} is refused; a \`maxLength\`, \`maxItems\` and so on above it is left out. A pattern has at`,
    `  most ${count(MAX_PATTERN_CHARS)} characters, ${count(MAX_PIECES)} pieces with its repetitions written out, and no endless repetition of an endless repetition. Model servers make grammars of all`,
    '  these.',
    `- **JSON that only a model reads**, and fields of \`--pass-field\`: at most ${MAX_JSON_VALUE_DEPTH} levels, and ${count(MAX_JSON_VALUES)} values in one call. No text in a field of \`--pass-field\` may be an`,
    '  address.',
    '',
    ...REQUEST_PATHS.flatMap((path) => {
      const { fields, source, bound } = REQUEST_FIELDS[path];
      return [
        `## ${path}`,
        '',
        ...(bound === undefined ? [] : [bound.says, '']),
        ...table(['field', 'may be', 'documented by'], rowsOf(fields, source)),
        '',
      ];
    }),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

function refusedRows(): string[][] {
  const whys = [...new Set(Object.values(REFUSED_FIELDS))];
  return whys.map((why) => {
    const names = Object.keys(REFUSED_FIELDS).filter((name) => REFUSED_FIELDS[name] === why);
    return [names.map(code).join(', '), `It ${why}`];
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row.map(escaped)))];
}

/** A cell of a table. A bare bar would end it, between backticks as well. */
function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
