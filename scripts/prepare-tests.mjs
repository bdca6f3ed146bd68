// Makes sure that the programs that the tests run are there. Where they are, it says nothing; on Debian, as
// root, it installs them; otherwise it says what to install. On Windows it does nothing: only the unit tests
// run there.
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const SBIN = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/sbin'];
const MIN_GIT = [2, 39];

/** Which package brings a program; null: there is none for that system, and its tests are skipped there. */
const PROGRAMS = [
  { name: 'sshd', debian: 'openssh-server', brew: 'openssh' },
  { name: 'ssh', debian: 'openssh-client', brew: 'openssh' },
  { name: 'ssh-keygen', debian: 'openssh-client', brew: 'openssh' },
  { name: 'shellcheck', debian: 'shellcheck', brew: 'shellcheck' },
  { name: 'dash', debian: 'dash', brew: 'dash' },
  { name: 'busybox', debian: 'busybox', brew: null },
  { name: 'logrotate', debian: 'logrotate', brew: null },
  { name: 'systemd-analyze', debian: 'systemd', brew: null },
  { name: 'git', debian: 'git', brew: 'git' },
];

/**
 * The page of the gateway is tested in it; where it cannot be had, those tests say that they are skipped.
 */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

if (process.platform !== 'win32') prepare();

function prepare() {
  const manager = process.platform === 'darwin' ? 'brew' : 'debian';
  const missing = PROGRAMS.filter((program) => program[manager] !== null && !isThere(program.name));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => program[manager]))];
    const names = missing.map((program) => program.name).join(', ');
    if (find('apt-get') === null || process.getuid() !== 0)
      fail(`the tests need ${names}`, howToInstall(packages));
    install(packages);
    const still = missing.filter((program) => !isThere(program.name)).map((program) => program.name);
    if (still.length > 0)
      fail(`${still.join(', ')} did not come with ${packages.join(' ')}`, 'install it by hand');
  }
  if (!BROWSERS.some(isThere) && !process.env.LLM_BRIDGE_CHROMIUM) prepareBrowser();
  const version = execFileSync('git', ['--version'], { encoding: 'utf8' });
  const [major = 0, minor = 0] = (/([0-9]+)\.([0-9]+)/.exec(version)?.slice(1) ?? []).map(Number);
  if (major < MIN_GIT[0] || (major === MIN_GIT[0] && minor < MIN_GIT[1])) {
    fail(`the tests need git ${MIN_GIT.join('.')} or newer; this is ${version.trim()}`, 'upgrade git');
  }
}

function prepareBrowser() {
  const isPossible = find('apt-get') !== null && process.getuid() === 0;
  if (isPossible && tryInstall(['chromium']).status === 0) return;
  console.error('prepare-tests: there is no Chromium, and the tests of the page are skipped');
}

function isThere(name) {
  return find(name) !== null;
}

function find(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SBIN];
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function install(packages) {
  const result = tryInstall(packages);
  if (result.status !== 0) {
    console.error(result.stderr.toString().trim());
    fail(`apt-get could not install ${packages.join(' ')}`, 'read what it said above');
  }
  // The tests run an sshd of their own; nobody asked for one that starts with the machine.
  if (packages.includes('openssh-server')) spawnSync('update-rc.d', ['ssh', 'disable'], { stdio: 'ignore' });
}

function tryInstall(packages) {
  console.error(`prepare-tests: installing ${packages.join(', ')} with apt-get`);
  const command = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  // On a fresh machine the lists are missing or too old. Where they are not, updating them would only take
  // time.
  const result = aptGet(command);
  if (result.status === 0) return result;
  aptGet(['update', '-q']);
  return aptGet(command);
}

function aptGet(args) {
  return spawnSync('apt-get', args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      // Installing openssh-server starts it on port 22. These keep System V init and systemd from that.
      // Unlike a policy-rc.d, they leave nothing behind where this is interrupted.
      RUNLEVEL: '1',
      PREVLEVEL: 'N',
      SYSTEMD_OFFLINE: '1',
    },
  });
}

function howToInstall(packages) {
  if (process.platform === 'darwin') return `brew install ${packages.join(' ')}`;
  if (find('apt-get') !== null) return `sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
  return `install what Debian calls ${packages.join(' ')}`;
}

function fail(what, remedy) {
  console.error(`error: ${what}\ntry: ${remedy}`);
  process.exit(1);
}
