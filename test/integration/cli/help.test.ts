import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type CommandEntry, nameOf } from '../../../src/cli/command.js';
import { COMMANDS } from '../../../src/cli/commands.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

/** The commands that a help lists: the first word of each line, without those that yargs brings itself. */
function commandsIn(help: string): string[] {
  const section = /^Commands:\n((?: .*\n)+)/m.exec(help)?.[1] ?? '';
  return [...section.matchAll(/^ {2}llm-bridge (?:\S+ )*?([a-z]+)(?: [<[].*?)?(?: {2,}.*)?$/gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => name !== 'completion');
}

async function help(...command: string[]): Promise<string> {
  const { stdout, exitCode } = await runCliHere([...command, '--help'], { env: {}, cwd: '/' });
  expect(exitCode).toBe(0);
  return stdout;
}

describe('--help', () => {
  test('of every command there is, and of what they have below them, shows examples of it', async () => {
    const top = await help();
    expect(top).toMatch(/^Examples:\n {2}llm-bridge demo/m);
    const commands = commandsIn(top);
    expect(commands).toEqual(
      expect.arrayContaining(['init', 'key', 'ask', 'agent', 'doctor', 'service', 'demo']),
    );
    const seen: string[] = [];
    const look = async (command: readonly string[]): Promise<void> => {
      const text = await help(...command);
      seen.push(command.join(' '));
      expect(text, command.join(' ')).toMatch(
        new RegExp(`^Examples:\\n(?: .*\\n)*? .*llm-bridge ${command.join(' ')}`, 'm'),
      );
      for (const below of commandsIn(text)) await look([...command, below]);
    };
    for (const command of commands) await look([command]);

    expect(seen).toEqual(expect.arrayContaining(['key remove', 'service install']));
  });

  test('breaks no example in the middle of an address, because what is broken cannot be copied', async () => {
    let seen = 0;
    for (const { load } of COMMANDS) {
      const command = await load();
      const all = [
        { path: [] as string[], command },
        ...command.commands.map((below) => ({ path: [nameOf(below)], ...below })),
      ];
      for (const { path, command: one } of all) {
        const name = nameOf(COMMANDS.find((entry) => entry.load === load) as CommandEntry);
        const text = await help(name, ...path);
        for (const word of one.examples.flatMap(([line]) => line.split(' '))) {
          if (word.length < 20) continue;
          seen += 1;
          expect(text, `${name} ${path.join(' ')}`).toContain(word);
        }
      }
    }
    expect(seen).toBeGreaterThan(20);
  });

  test('shows no option as required that is mostly known without being given, and requires it all the same', async () => {
    for (const command of ['list', 'agent', 'verify', 'key list']) {
      const text = (await help(...command.split(' '))).replace(/\s+/g, ' ');
      expect(text, command).toMatch(/ --repo .*Default: the bridge one stands in.*\[string\] /);
      expect(text, command).not.toContain('[required]');
      const { exitCode, stderr } = await runCliHere(command.split(' '), { env: {}, cwd: '/' });
      expect(exitCode, command).toBe(2);
      expect(stderr).toBe(
        `error: the option --repo is missing\ntry: llm-bridge ${command} --help; it can also be set once as LLM_BRIDGE_REPO in the environment, or saved by "llm-bridge join"\n`,
      );
    }
    expect(await help('key', 'add')).toMatch(/--key .*\n?.*\n?.*\[required\]/);
  });

  test('of completion is a help, and not the script', async () => {
    for (const word of ['--help', '-h']) {
      const { stdout } = await runCliHere(['completion', word], { env: {}, cwd: '/' });
      expect(stdout).toMatch(/^llm-bridge completion\n[\s\S]*~\/\.bashrc/);
      expect(stdout).not.toContain('COMPREPLY');
    }
  });

  test('of doctor says what its exit codes mean', async () => {
    expect((await help('doctor')).replace(/\s+/g, ' ')).toContain(
      'Exit code: 0 when all is ok or a warning, 1 when something is broken, 2 for wrong use.',
    );
  });
});

describe('completion', () => {
  const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

  test('in bash completes commands, what stands below them, and options', async () => {
    const home = await tempDir();
    await mkdir(join(home, 'bin'));
    const program = join(home, 'bin', 'llm-bridge');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    await chmod(program, 0o755);
    const env = cleanEnv(home, {
      SHELL: '/bin/bash',
      PATH: `${join(home, 'bin')}${delimiter}${process.env.PATH}`,
    });
    const { stdout: script } = await runCli(['completion'], { env });
    const complete = async (...words: string[]): Promise<string[]> => {
      const typed = ['llm-bridge', ...words].map((word) => `'${word}'`).join(' ');
      const { stdout } = await runProcess(
        'bash',
        [
          '-c',
          `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _llm-bridge_yargs_completions; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ],
        { env },
      );
      return stdout.split('\n').filter(Boolean);
    };

    expect(await complete('do')).toEqual(['doctor']);
    expect((await complete('key', '')).sort()).toEqual(expect.arrayContaining(['add', 'list', 'remove']));
    expect(await complete('doctor', '--no-')).toEqual(['--no-generate']);
  });

  test('in zsh is a script for zsh', async () => {
    const { stdout } = await runCli(['completion'], {
      env: cleanEnv(await tempDir(), { SHELL: '/bin/zsh' }),
    });

    expect(stdout).toMatch(/^#compdef llm-bridge\n/);
  });
});
