import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { SERVICE_ROLES } from '../../../src/admin/service/service-spec.js';
import { DEFAULT_BACKEND_ORDER } from '../../../src/agent/backends/backends.js';
import { type Command, nameOf, readValues } from '../../../src/cli/command.js';
import { COMMANDS } from '../../../src/cli/commands.js';
import { fillFromEnvironment } from '../../../src/cli/environment-options.js';
import { type Option, type OptionValues, option } from '../../../src/cli/option.js';
import { ADMIN_ROWS, SERVICE_ROWS } from '../../../src/cli/options/admin-options.js';
import { AGENT_ROWS } from '../../../src/cli/options/agent-options.js';
import { BRIDGE_ROWS } from '../../../src/cli/options/bridge-options.js';
import { GATEWAY_ROWS } from '../../../src/cli/options/gateway-options.js';
import { LOG_ROWS } from '../../../src/cli/options/log-options.js';
import { type TASK_OPTIONS, TASK_ROWS } from '../../../src/cli/options/task-options.js';
import { WAKE_ROWS } from '../../../src/cli/options/wake-options.js';
import { AGENT_OPTIONS, OPTIONS } from '../../../src/cli/options.js';
import { roleSettings, serviceSettings } from '../../../src/cli/service-options.js';
import { settingsPage } from '../../../src/cli/settings-page.js';
import { MAX_AFTER_S } from '../../../src/protocol/presence.js';
import { firstCells, sectionOf } from '../../support/read-markdown.js';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** Every command that can be called, by its whole name. */
const commands = new Map<string, Command>();
for (const entry of COMMANDS) {
  const command = await entry.load();
  const { commands: below } = command;
  if (below.length === 0) commands.set(nameOf(entry), command);
  for (const one of below) commands.set(`${nameOf(entry)} ${nameOf(one)}`, one.command);
}

describe('the list of commands', () => {
  test('has each file of the folder, each once, and no other', async () => {
    const files = (await readdir(new URL('src/cli/commands/', root))).map((name) =>
      name.replace(/\.ts$/, ''),
    );

    expect(COMMANDS.map(nameOf).sort()).toEqual(files.sort());
  });

  test('has a line for each command in the README', async () => {
    const rows = firstCells(sectionOf(await read('README.md'), 'Commands'));

    // The script for a shell is made by yargs.
    const names = [...COMMANDS.map(nameOf), 'completion'];
    expect(rows.map((row) => /^`([a-z]+)/.exec(row)?.[1]).sort()).toEqual(names.sort());
  });
});

test('the table of options has each row once, from whichever family', () => {
  const families = [
    BRIDGE_ROWS,
    TASK_ROWS,
    AGENT_ROWS,
    ADMIN_ROWS,
    SERVICE_ROWS,
    GATEWAY_ROWS,
    LOG_ROWS,
    WAKE_ROWS,
  ].flatMap(Object.keys);
  expect(Object.keys(OPTIONS).sort()).toEqual(families.sort());
});

describe('a command', () => {
  test.each([...commands])('"%s" takes no two options by one name or letter', (_name, command) => {
    const names = [...command.positionals, ...command.options].flatMap((one) => [
      ...one.names,
      ...(one.alias === null ? [] : [one.alias]),
    ]);

    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  test.each([...commands])('"%s" has only options that say what they do', (_name, command) => {
    for (const { describe: says, name } of command.options) expect(says, name).toMatch(/\S [^.]*\S.*[^.]$/);
  });

  test('gets values whose types follow from the table', () => {
    type Agent = OptionValues<typeof AGENT_OPTIONS>;
    expectTypeOf<Agent['parallel']>().toEqualTypeOf<number>();
    expectTypeOf<Agent['idleTimeout']>().toEqualTypeOf<number | undefined>();
    expectTypeOf<Agent['acceptNewHostKey']>().toEqualTypeOf<boolean>();
    expectTypeOf<Agent['logFormat']>().toEqualTypeOf<'plain' | 'json'>();
    expectTypeOf<OptionValues<typeof TASK_OPTIONS>['stop']>().toEqualTypeOf<string[] | undefined>();
  });

  test('may be a standby for as long as a presence can say', () => {
    const values = readValues(
      { positionals: [], options: AGENT_OPTIONS },
      { repo: ['r'], after: '30d' },
      'a',
    );
    expect(values).toMatchObject({ after: MAX_AFTER_S * 1000 });
  });

  test('gets the defaults that its help names', () => {
    const values = readValues({ positionals: [], options: AGENT_OPTIONS }, { repo: ['r'] }, 'agent');

    expect(values).toMatchObject({
      parallel: Number(OPTIONS.parallel.byDefault),
      poll: Number.parseFloat(OPTIONS.poll.byDefault ?? ''),
      logFormat: OPTIONS.logFormat.byDefault,
      backend: DEFAULT_BACKEND_ORDER,
      once: false,
    });
  });
});

describe('a variable', () => {
  const fill = (given: Record<string, unknown>, env: Record<string, string>, ...rows: Option[]) => {
    fillFromEnvironment(given, rows, env);
    return readValues({ positionals: [], options: rows }, given, 'test');
  };

  test('stands for an option that the command line does not give, in any of its two words', () => {
    expect(fill({}, { LLM_BRIDGE_NO_WAIT: '1' }, OPTIONS.wait)).toEqual({ wait: false });
    expect(fill({}, { LLM_BRIDGE_WAIT: 'off' }, OPTIONS.wait)).toEqual({ wait: false });
    expect(fill({ wait: true }, { LLM_BRIDGE_NO_WAIT: '1' }, OPTIONS.wait)).toEqual({ wait: true });
    expect(fill({}, {}, OPTIONS.wait)).toEqual({ wait: true });
  });

  test('stands for no positional and for no option of another command', () => {
    const given = {};
    fillFromEnvironment(given, [OPTIONS.json, ...roleSettings()], {
      LLM_BRIDGE_TASK: 'x',
      LLM_BRIDGE_MODEL: 'y',
    });

    expect(given).toEqual({});
  });
});

describe('a service', () => {
  const given = (one: Option): unknown =>
    ({ number: 2, seconds: 2, switch: true, text: 'x', path: 'x', url: 'x', bridge: 'x' })[one.kind];

  test.each(SERVICE_ROLES)(
    'of %s gets every option of its command that means something to it',
    async (role) => {
      const rows = (commands.get(role)?.options ?? []).filter(
        (one) => one.name !== 'repo' && !one.isForOneRun,
      );
      const values = Object.fromEntries(
        rows.map((one) => [
          one.name.replace(/-(.)/g, (_dash, char: string) => char.toUpperCase()),
          given(one),
        ]),
      );

      expect(serviceSettings(role, values).map(({ name }) => name)).toEqual(rows.map(({ name }) => name));
      expect(roleSettings().map(({ name }) => name)).toEqual(
        expect.arrayContaining(rows.map(({ name }) => name)),
      );
    },
  );

  test('refuses an option of another command, and a secret', () => {
    expect(() => serviceSettings('agent', { settle: 1 })).toThrow('--settle is no option of agent');
    const token = option('api-token', { kind: 'text', secret: true, describe: 'A token' });
    expect(() => serviceSettings('agent', { apiToken: 'x' }, [token])).toThrow('--api-token is a secret');
  });
});

test('docs/settings.md is what the tables say (npm run settings writes it)', async () => {
  expect(await read('docs/settings.md')).toBe(await settingsPage());
});
