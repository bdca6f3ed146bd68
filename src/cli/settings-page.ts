import { OWNER_SETTINGS } from '../admin/repository-settings.js';
import { BACKENDS } from '../agent/backends/backends.js';
import { nameOf, type SubcommandEntry } from './command.js';
import { COMMANDS } from './commands.js';
import { helpOf, type Option, variableOf } from './option.js';
import { EXIT } from './print-error.js';

/** A row of the page: an option, and the commands that describe it in the same words. */
interface Line {
  readonly option: Option;
  readonly commands: string[];
}

/** The text of docs/settings.md, made of the tables that the program itself uses. */
export async function settingsPage(): Promise<string> {
  return `${[
    '# Settings',
    '',
    '<!-- Written by "npm run settings". Change src/cli/options/ or src/admin/repository-settings.ts, not this page. -->',
    '',
    'Every option of the command line and the variable that stands for it, the exit codes, and the settings of a bridge repository. What the',
    'commands themselves do is in the [README](../README.md#commands).',
    '',
    '## Options and their variables',
    '',
    'What the command line says counts first, then the variable, then the default. A variable that the running command has no option for',
    'is ignored, and an empty one counts as unset. A switch takes `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`; every switch has',
    'its opposite, `--no-json` and `LLM_BRIDGE_JSON=0`. An option that can be given several times takes one value from its variable.',
    '',
    '`service install` takes the options of the command that becomes the service, and puts them into the unit. For those, except',
    '`--identity`, it looks at no variables: the service has a file of its own for them.',
    '',
    ...table(['option', 'takes', 'variable', 'of', 'says'], (await optionLines()).map(rowOf)),
    '',
    '## Exit codes',
    '',
    ...table(
      ['exit code', 'means'],
      EXIT_CODES.map(([exit, means]) => [code(String(exit)), means]),
    ),
    '',
    '## Other variables',
    '',
    ...table(['variable', 'says'], OTHER_VARIABLES),
    '',
    '## Settings of a bridge',
    '',
    'They are git settings of the bridge repository, set on the server by its owner, and take effect at once:',
    '`git -C /srv/llm-bridge/bridge.git config bridge.taskTtl 2d`.',
    '',
    ...table(
      ['setting', 'default', 'says'],
      OWNER_SETTINGS.map(({ key, fallback, describe }) => [code(key), code(fallback), describe]),
    ),
    '',
    '`init` sets everything else that a bridge rests on, and `doctor` says what has been changed since.',
  ].join('\n')}\n`;
}

const EXIT_CODES: readonly (readonly [exit: number, means: string])[] = [
  [EXIT.done, 'Done, and the output is written'],
  [EXIT.failed, 'Failed, answered with an error, or the output could not be written'],
  [EXIT.usage, 'Wrong use'],
  [EXIT.noAnswerYet, 'No answer yet; the task stays asked'],
  [130, 'Stopped at once by a second Ctrl-C'],
  [
    EXIT.outputClosed,
    'Whoever read the output went away before all of it was written: `llm-bridge log \\| head -1`',
  ],
  [143, 'Stopped at once by a second SIGTERM'],
];

const OTHER_VARIABLES: readonly (readonly [variable: string, says: string])[] = [
  [
    '`LLM_BRIDGE_DEBUG`',
    '`1`: an unexpected error shows where it came from, and the log what a failing `--command` or `--idle-command` printed',
  ],
  [
    '`LLM_BRIDGE_PAGER`, `GIT_PAGER`, `PAGER`',
    'The first that is set shows what `log` prints on a terminal; else it is `less`. `cat`, or nothing: no pager',
  ],
  [
    '`LLM_BRIDGE_PRINCIPAL`',
    'Whose key a push came by. The forced command sets it on the server, for the hooks; do not set it',
  ],
  [
    '`GIT_SSH_COMMAND`, `GIT_SSH`',
    'Your own way to start ssh, as `core.sshCommand` is; `--identity` is added to it where it is OpenSSH. `~/.ssh/config` counts anyway',
  ],
  ...BACKENDS.flatMap(({ title, urlOption, ownUrl, token }) => [
    ...(ownUrl === null
      ? []
      : [
          [
            code(ownUrl.variable),
            `Where ${title} listens, in all the forms that ${title} takes; \`--${urlOption}\` and its own variable go before it`,
          ] as const,
        ]),
    ...(token === null
      ? []
      : [
          [
            code(token.variable),
            `The token for ${title}; \`--${token.fileOption}\` goes before it. For a service it belongs into the file for variables`,
          ] as const,
        ]),
  ]),
  ['`NO_COLOR`', 'No colours'],
];

/** The options of all commands in their order, each once where all commands describe it alike. */
async function optionLines(): Promise<Line[]> {
  const lines: Line[] = [];
  for (const entry of COMMANDS) {
    const { commands, options } = await entry.load();
    for (const { name, taken } of takers(nameOf(entry), options, commands)) {
      for (const option of taken) {
        const same = lines.find((line) => line.option.name === option.name && isSame(line.option, option));
        if (same === undefined) lines.push({ option, commands: [name] });
        else same.commands.push(name);
      }
    }
  }
  // Rows of one name stand together, whichever commands they are of.
  const names = [...new Set(lines.map(({ option }) => option.name))];
  return names.flatMap((name) => lines.filter((line) => line.option.name === name));
}

/** A command with its options, and those below it with what only they take. */
function takers(
  name: string,
  options: readonly Option[],
  below: readonly SubcommandEntry[],
): { readonly name: string; readonly taken: readonly Option[] }[] {
  const ofAll = [...options, ...(below[0]?.command.options ?? [])].filter((one) =>
    below.every(({ command }) => command.options.some((other) => other.name === one.name)),
  );
  return [
    { name, taken: [...new Set(below.length === 0 ? options : ofAll)] },
    ...below.map(({ usage, command }) => ({
      name: `${name} ${nameOf({ usage })}`,
      taken: command.options.filter((one) => ofAll.every((other) => other.name !== one.name)),
    })),
  ];
}

function isSame(a: Option, b: Option): boolean {
  return a.kind === b.kind && helpOf(a) === helpOf(b) && a.isRequired === b.isRequired;
}

function rowOf({ option, commands }: Line): string[] {
  const { name, alias, names, kind, choices, isRequired, byDefault, isRepeatable, isNegated } = option;
  const shown = `--${isNegated ? `no-${name}` : name}`;
  const takes = [
    choices === null ? KINDS[kind] : choices.map(code).join(', '),
    ...(isRepeatable ? ['several times'] : []),
    ...(isRequired && byDefault === null ? ['required'] : []),
  ];
  return [
    alias === null ? code(shown) : `${code(shown)}, ${code(`-${alias}`)}`,
    takes.join('; '),
    option.hasVariable ? code(variableOf(names.at(-1) ?? name)) : '',
    commands.map(code).join(', '),
    // A bar would end the cell.
    helpOf(option).replaceAll('|', '\\|'),
  ];
}

const KINDS: Readonly<Record<Option['kind'], string>> = {
  text: 'text',
  path: 'a path',
  url: 'a URL',
  bridge: 'a bridge',
  number: 'a number',
  seconds: 'seconds',
  switch: '',
};

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
