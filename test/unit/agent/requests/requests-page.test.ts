import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { REQUEST_FIELDS } from '../../../../src/agent/requests/fields/request-fields.js';
import { LEFT_OUT, requestsPage } from '../../../../src/agent/requests/requests-page.js';
import { REQUEST_PATHS } from '../../../../src/protocol/request.js';
import { passed } from './judge-fixture.js';

test('docs/requests.md is what the lists say (npm run settings writes it)', async () => {
  const page = await readFile(new URL('../../../../docs/requests.md', import.meta.url), 'utf8');
  expect(page).toBe(requestsPage());
});

test('each field of each list stands on the page, under its path and beside its reference', () => {
  for (const path of REQUEST_PATHS) {
    const { fields, source } = REQUEST_FIELDS[path];
    const section = requestsPage().split(`\n## ${path}\n`)[1]?.split('\n## ')[0] ?? '';
    for (const [name, field] of Object.entries(fields)) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${name}\` | `));
      const page = field.source ?? source;
      expect(row, name).toMatch(/ \| \[[A-Za-z. ]+\]\(https:[^ ]+\) \|$/);
      expect(row).toContain(` | [${page.name}](${page.url}) |`);
    }
    for (const row of section.split('\n').filter((line) => line.startsWith('| `')))
      expect(row).toMatch(/ \| \[[A-Za-z. ]+\]\(https:[^ ]+\) \|$/);
  }
});

test('what the page says is left out is left out, whatever it says and whichever call it is in', () => {
  const names = LEFT_OUT.flatMap(([group]) => group);
  for (const path of REQUEST_PATHS) {
    for (const name of names) {
      const [outer, inner] = name.split('.') as [string, string?];
      for (const value of [true, 1, 'x', { a: [] }]) {
        const { body, dropped } = passed(path, inner ? { [outer]: { [inner]: value } } : { [outer]: value });
        expect(JSON.stringify(body)).not.toContain(inner ?? outer);
        // A list without options leaves out all of them.
        expect([name, outer]).toContain(dropped[0]);
      }
    }
  }
});
