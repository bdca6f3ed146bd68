import type { Field, Fields, Source } from './field.js';

/**
 * The rows of a list: each field, what it may be, and where it is documented, which is `reference` unless
 * the field says another page. The fields of an object follow it. A part that came before is named by its
 * place.
 */
export function rowsOf(fields: Fields, reference: Source): string[][] {
  const rows: string[][] = [];
  const places = new Map<Field | Fields, string>();

  const addFields = (of: Fields, prefix: string, outer: Source) => {
    for (const [name, field] of Object.entries(of)) add(field, `${prefix}${name}`, field.source ?? outer);
  };
  const add = (field: Field, name: string, source: Source) => {
    rows.push([code(name), sayField(field, places), `[${source.name}](${source.url})`]);
    addInner(field, name, source);
  };
  const addInner = (field: Field, name: string, source: Source) => {
    if (places.has(field)) return;
    if (field.kind === 'list' || field.kind === 'map') addInner(field.of, `${name}[]`, source);
    else if (field.kind === 'either') for (const one of field.of) addInner(one, name, source);
    else if (field.kind === 'object' && Object.keys(field.fields).length > 0) {
      places.set(field, name);
      addFields(field.fields, `${name}.`, source);
    } else if (field.kind === 'forms') {
      places.set(field, name);
      for (const [forms, of] of sharedForms(field.forms)) addFields(of, `${name}<${forms}>.`, source);
    }
  };
  addFields(fields, '', reference);
  return rows;
}

/** The forms of an object. Forms with the same fields stand together. */
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

/** As code in Markdown. */
export function code(text: string): string {
  return `\`${text}\``;
}

/** `1,048,576`; the largest whole number of JSON in words. */
export function count(value: number): string {
  if (Math.abs(value) === Number.MAX_SAFE_INTEGER) return value < 0 ? '-2^53 + 1' : '2^53 - 1';
  return value.toLocaleString('en-US');
}
