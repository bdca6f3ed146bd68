import { REQUEST_PATHS } from '../../protocol/request.js';
import type { Field, Fields } from './field.js';
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
 * Fields that people miss, with why they are left out. A test holds that each of them is left out indeed
 * wherever it may stand.
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
    'They load the model anew, or elsewhere',
  ],
  [
    ['store', 'background'],
    'The bridge itself keeps every call and its answer, and nobody has to wait for it',
  ],
  [
    ['user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'service_tier'],
    'They are for the books of a provider. Who asked is in the record of the bridge',
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
    'Whatever is in no list; among it:',
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
      const { fields, source } = REQUEST_FIELDS[path];
      return [
        `## ${path}`,
        '',
        `From its [reference](${source}).`,
        '',
        ...table(['field', 'may be'], rowsOf(fields)),
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

/**
 * The rows of a list: each field, and under it what is in it. A part that came before is named by its
 * place.
 */
function rowsOf(fields: Fields): string[][] {
  const rows: string[][] = [];
  const places = new Map<Field | Fields, string>();

  const addFields = (of: Fields, prefix: string) => {
    for (const [name, field] of Object.entries(of)) add(field, `${prefix}${name}`);
  };
  const add = (field: Field, name: string) => {
    rows.push([code(name), sayField(field, places)]);
    addInner(field, name);
  };
  const addInner = (field: Field, name: string) => {
    if (places.has(field)) return;
    if (field.kind === 'list' || field.kind === 'map') addInner(field.of, `${name}[]`);
    else if (field.kind === 'either') for (const one of field.of) addInner(one, name);
    else if (field.kind === 'object' && Object.keys(field.fields).length > 0) {
      places.set(field, name);
      addFields(field.fields, `${name}.`);
    } else if (field.kind === 'forms') {
      places.set(field, name);
      for (const [forms, of] of sharedForms(field.forms)) addFields(of, `${name}<${forms}>.`);
    }
  };
  addFields(fields, '');
  return rows;
}

/** The forms of an object, those with the same fields together. */
function sharedForms(forms: Readonly<Record<string, Fields>>): [names: string, fields: Fields][] {
  return [...new Set(Object.values(forms))].map((fields) => {
    const names = Object.keys(forms).filter((name) => forms[name] === fields);
    return [names.join('|'), fields];
  });
}

function sayField(field: Field, places: ReadonlyMap<Field | Fields, string>): string {
  const before = places.get(field);
  if (before !== undefined) return `as ${code(before)}`;
  switch (field.kind) {
    case 'text':
      return field.max === null ? 'a text' : `a text of at most ${count(field.max)} characters`;
    case 'number':
      return `${field.whole ? 'a whole number' : 'a number'} from ${count(field.min)} to ${count(field.max)}`;
    case 'context':
      return 'a whole number from 1 to `--max-context`';
    case 'flag':
      return '`true` or `false`';
    case 'word':
      return field.words.map((word) => code(JSON.stringify(word))).join(', ');
    case 'list':
      return `a list of at most ${count(field.max)}: ${sayField(field.of, places)}`;
    case 'map':
      return `an object of at most ${count(field.max)}, each ${sayField(field.of, places)}`;
    case 'object':
      return 'an object';
    case 'forms':
      return `an object; its ${code(field.by)} may be ${Object.keys(field.forms).map(code).join(', ')}${
        field.otherwise === null ? '' : ', or is left out'
      }`;
    case 'either':
      return [...new Set(field.of.map((one) => sayField(one, places)))].join('; or ');
    case 'schema':
      return 'a JSON Schema';
    case 'json':
      return 'any JSON';
    case 'media':
      return `${MEDIA[field.what]} ${MEDIA_AS[field.as]}`;
    case 'refused':
      return `refused: it ${field.why}`;
  }
}

const MEDIA = { image: 'a picture', audio: 'a sound', file: 'a file' };
const MEDIA_AS = {
  url: 'as `data:…;base64,…`',
  base64: 'in base64',
  both: 'in base64, or as `data:…;base64,…`',
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row.map(escaped)))];
}

/** A cell of a table: what stands between backticks as well must not have a bare bar. */
function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** `1,048,576`; the largest whole number of JSON in words. */
function count(value: number): string {
  if (Math.abs(value) === Number.MAX_SAFE_INTEGER) return value < 0 ? '-2^53 + 1' : '2^53 - 1';
  return value.toLocaleString('en-US');
}
