import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { copyBridge } from '../../support/new-bridge.js';
import { tempDir } from '../../support/temp-dir.js';

let dir: string;
let repo: string;
let env: Record<string, string>;

beforeAll(async () => {
  dir = await tempDir();
  await mkdir(join(dir, 'home'));
  env = cleanEnv(join(dir, 'home'));
  repo = join(dir, 'bridge.git');
  copyBridge(inject('newBridge'), repo);
  await writeFile(join(dir, 'not-a-task.json'), '{"prompt": "2+2", "temprature": 1}');
});

const tip = () => readFile(join(repo, 'refs', 'heads', 'main'), 'utf8');

/** Runs the program: in this process, where it is not about the process itself. */
function run(words: string, inProcess: boolean) {
  const args = words.split(' ').filter((word) => word !== '');
  const named = args.map((word) => (word === 'REPO' ? repo : word));
  return (inProcess ? runCliHere : runCli)(named, { env, cwd: dir });
}

/** What needs a process: standard input, what is built, and one of each exit code, for the exit itself. */
const NEEDS_PROCESS =
  /^(?:ask(?: -)? --repo REPO|init not-a-task\.json|init \.|agent --repo nowhere.*|key list --repo nowhere\.git|)$/;

/** Words of the command line (REPO stands for the bridge), and what the line `error:` has to say. */
const WRONG: readonly (readonly [words: string, says: RegExp])[] = [
  ['', /a command is needed/],
  ['frobnicate', /unknown command or argument: frobnicate/],
  ['stat', /^error: unknown command; did you mean stats\?$/],
  ['init', /not enough arguments: 0 given, 1 needed/],
  ['init a b', /unknown command or argument: b/],
  ['init x --force', /unknown option: force/],
  ['init ssh://a@b/c', /<repo>: must be a path on this machine/],
  ['init user@host:bridge.git', /<repo>: must be a path on this machine/],
  ['key --repo REPO', /key needs one of: add, list, remove/],
  ['key frob --repo REPO', /unknown command or argument: frob/],
  ['key add --repo REPO', /not enough arguments/],
  ['key add pc --repo REPO', /these options are missing: role, key/],
  ['key add pc --repo REPO --role boss --key k.pub', /--role is "boss", and not one of "agent", "asker"/],
  ['key add -x --repo REPO --role agent --key k.pub', /not enough arguments|unknown option/],
  ['key add ../x --repo REPO --role agent --key k.pub', /"\.\.\/x" is no name for a key/],
  ['key add pc --role agent --key k.pub', /the option --repo is missing/],
  ['key list --repo REPO --repo REPO', /--repo: is given more than once/],
  ['key list --repo ssh://a@b/c', /--repo: must be a path on this machine/],
  ['key remove --repo REPO', /not enough arguments/],
  ['key remove ../x --repo REPO', /"\.\.\/x" is no name for a key/],
  ['agent --repo REPO --backend openai', /openai has no usual address, and none is given/],
  [
    'agent --repo REPO --openai-url https://api.openai.com',
    /api\.openai\.com is no address of a private network/,
  ],
  ['ask hi', /the option --repo is missing/],
  ['ask hi --repo', /the option --repo needs a value/],
  ['ask hi --repo --no-wait', /the option --repo needs a value/],
  ['ask hi --repo REPO --frob 1', /unknown option: frob/],
  ['ask hi --repo REPO --frob-it 1', /unknown option: frob-it$/m],
  ['ask hi --repo REPO --frob-it 1 --frobs', /unknown options: frob-it, frobs$/m],
  ['ask hi --repo REPO --repo REPO', /--repo: is given more than once/],
  ['ask hi --repo foo::bar', /"foo::bar" is not the address of a bridge/],
  ['ask hi --repo ssh://-oProxyCommand=x/y', /is not the address of a bridge/],
  ['ask --repo REPO', /there is no question: standard input is empty/],
  ['ask - --repo REPO', /there is no question: standard input is empty/],
  ['ask hi --repo REPO --temperature warm', /--temperature: must be a number/],
  ['ask hi --repo REPO --temperature 1 --temperature 2', /--temperature: is given more than once/],
  ['ask hi --repo REPO --temperature 11', /options\.temperature: Too big/],
  ['ask hi --repo REPO --seed 1.5', /options\.seed/],
  ['ask hi --repo REPO --max-tokens 0', /options\.max_tokens/],
  ['ask hi --repo REPO --backend Frob!', /--backend: /],
  ['ask hi --repo REPO --priority 11', /priority: Too big/],
  ['ask hi --repo REPO --timeout 0', /--timeout: Too small/],
  ['ask hi --repo REPO --metadata nope', /--metadata: must be key=value/],
  ['ask hi --repo REPO --format {', /--format is neither "json" nor a JSON Schema/],
  ['ask hi --repo REPO --file nowhere.json', /cannot read nowhere\.json \(ENOENT\)/],
  ['ask hi --repo REPO --file not-a-task.json', /Unrecognized key: "temprature"/],
  ['ask hi --repo REPO --image nowhere.png', /cannot read nowhere\.png \(ENOENT\)/],
  ['ask hi --repo REPO --image not-a-task.json', /^error: not-a-task\.json is no PNG, JPEG, GIF or WebP/],
  ['ask hi --repo REPO --name a/b', /--name: must start with a letter or digit/],
  ['ask hi --repo REPO --name dot.', /--name: must start with a letter or digit, end with one or/],
  ['agent --repo REPO --name x.lock', /--name: must have no "\.\." in it and no "\.lock" at its end/],
  ['watch --repo REPO', /not enough arguments/],
  ['watch f', /the option --repo is missing/],
  ['watch f --repo REPO --settle x', /--settle: must be a number/],
  ['watch f --repo ssh://a@b/c', /--repo: must be a path on this machine/],
  ['agent', /the option --repo is missing/],
  ['agent --repo REPO --backend Frob!', /--backend: must be auto, ollama, lmstudio, openai, or an order/],
  ['agent --repo REPO --parallel 0', /--parallel: Too small/],
  ['agent --repo REPO --poll often', /--poll: must be a number/],
  ['agent --repo REPO --ollama-url ftp://x', /--ollama-url is no HTTP address: ftp:\/\/x/],
  ['agent --repo REPO --max-context 100', /--max-context: Too small/],
  [
    'agent --repo REPO --lmstudio-token-file nowhere',
    /--lmstudio-token-file: cannot read nowhere \(ENOENT\)/,
  ],
  ['agent --repo REPO --lmstudio-url http://u:p@x', /--lmstudio-url must not contain a user name/],
  ['agent --repo REPO --after soon', /--after: must be a time like 10m, 90s or 2h, and a second at least/],
  ['agent --repo REPO --after 0s', /--after: must be a time like 10m, 90s or 2h, and a second at least/],
  ['agent --repo REPO --after 400d', /--after: must be a time like 10m, 90s or 2h, and at most 30 d/],
  [
    'agent --repo REPO --idle-command x --idle-after 31d',
    /--idle-after: must be a time like 10m, 90s or 2h, and at most 30 d/,
  ],
  ['agent --repo REPO extra', /unknown command or argument: extra/],
  ['answer', /not enough arguments/],
  ['answer 3f2a1b9c', /the option --repo is missing/],
  ['answer xyz --repo REPO', /"xyz" is not the id of a task/],
  ['list --repo REPO --state asleep', /--state is "asleep"/],
  ['log', /the option --repo is missing/],
  ['log --repo REPO -n x', /--number: must be a number/],
  ['log --repo REPO -n -1', /--number: Too small/],
  ['log --repo REPO -n 1 -n 2', /--number: is given more than once/],
  ['status --repo REPO --repo REPO', /is named twice/],
  ['status --repo REPO extra', /unknown command or argument: extra/],
  ['ingest', /the option --repo is missing/],
  ['ingest --repo ssh://a@b/c', /--repo: must be a path on this machine/],
  ['ingest --repo REPO --repo REPO', /--repo: is given more than once/],
  ['demo extra', /unknown command or argument: extra/],
];

describe('wrong use of the command line', () => {
  test.each(WRONG)(
    '"llm-bridge %s" ends with 2, an error line and a remedy, and asks nothing',
    async (words, says) => {
      const before = await tip();
      const result = await run(words, !NEEDS_PROCESS.test(words));
      const [error = '', remedy = '', ...rest] = result.stderr.split('\n');
      expect(error).toMatch(says);
      expect(error).toMatch(/^error: \S/);
      expect(remedy).toMatch(/^try: \S/);
      expect(rest).toEqual(['']);
      expect(result.stdout).toBe('');
      expect(result.exitCode).toBe(2);
      expect(await tip()).toBe(before);
    },
  );

  test.each([
    ['ask --repo REPO -- ', 'try: write a question: llm-bridge ask "2+2"'],
    ['ask hi --repo REPO --temperature 99', 'try: give a --temperature from 0'],
    ['ask hi --repo REPO --priority 11', 'try: give a --priority from -10'],
    ['ask hi --repo REPO --max-tokens 0', 'try: give a whole number from 1 up as --max-tokens'],
    ['ask hi --repo REPO --seed 1.5', 'try: give a whole number as --seed'],
    ['frobnicate agent', 'try: llm-bridge --help'],
    ['ask hi --repo REPO --frob', 'try: llm-bridge ask --help'],
    ['service', 'try: llm-bridge service --help'],
    ['service install agent --repo REPO --frob', 'try: llm-bridge service install --help'],
    ['service status --repo REPO', 'try: llm-bridge service status --help'],
    ['key add pc --repo REPO', 'try: llm-bridge key add --help'],
    ['key frob --repo REPO', 'try: llm-bridge key --help'],
  ])('"llm-bridge %s" is told what mends it', async (words, remedy) => {
    const args = words.split(' ').map((word) => (word === 'REPO' ? repo : word));
    const { stderr } = await runCliHere(args, { env, cwd: dir });
    expect(stderr.split('\n')[1]).toContain(remedy);
  });

  test('wrong use is told in English whatever the language of the system', async () => {
    const { stderr } = await runCli(['status', '--repo', repo, '--frob'], {
      env: { ...env, LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' },
    });
    expect(stderr).toContain('error: unknown option: frob\n');
  });
});

/** What was rightly asked for and cannot be done. */
const FAILING: readonly (readonly [words: string, says: RegExp])[] = [
  ['init not-a-task.json', /is taken: it is a file/],
  ['init .', /is taken: it is a folder with other files in it/],
  ['key add pc --repo REPO --role agent --key nowhere.pub', /cannot read the key file nowhere\.pub/],
  ['key add pc --repo REPO --role agent --key not-a-task.json', /is not a public SSH key/],
  ['key remove nobody --repo REPO', /the bridge has no key named nobody/],
  ['key list --repo nowhere.git', /there is no repository at/],
  ['ask hi --repo nowhere.git', /there is no repository at/],
  ['ask hi --repo home', /is not a bridge repository/],
  ['watch f --repo nowhere.git', /there is no repository at/],
  ['agent --repo nowhere.git --state-dir state --once', /there is no repository at/],
  ['log --repo nowhere.git', /there is no repository at/],
  ['status --repo nowhere.git', /there is no repository at/],
  ['ingest --repo nowhere.git', /there is no repository at/],
];

describe('what cannot be done', () => {
  test.each(FAILING)('"llm-bridge %s" ends with 1, an error line and a remedy', async (words, says) => {
    const result = await run(words, !NEEDS_PROCESS.test(words));
    expect(result.stderr).toMatch(/^error: .+\ntry: .+\n$/);
    expect(result.stderr).toMatch(says);
    expect(result.stdout).toBe('');
    expect(result.exitCode).toBe(1);
  });
});
