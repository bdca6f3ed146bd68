// Preloaded (node --import) into a program under test: counts its steps, each a change of the file system or
// the start of another program, and lets one of them go wrong. What comes before that step is done; nothing
// after it is.
//
// FAULT_FOR   a pattern; only a program whose path matches it is counted
// FAULT_STEPS a file that each step is appended to, one line a step
// FAULT_AT    the number of the step, from 1; or a pattern, for the first step that matches; 0: none, only
//             count
// FAULT_SKIP  with a pattern: this many matching steps are passed first; default 0
// FAULT_MODE  dies: SIGKILL just before the step. orphans: the same, but the other program is started and
//             goes on alone. fails: the call fails with EIO, the started program with exit code 128. kills:
//             the started program is killed by SIGKILL. sets-clock: all goes well, but the clock of the
//             program is set just before the step; then what it says on stderr counts as a step, too
// FAULT_SHIFT for sets-clock: by this many milliseconds
// FAULT_CLOCK a file with milliseconds that the clock of the program is off by, looked at each time
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const {
  FAULT_FOR,
  FAULT_STEPS,
  FAULT_AT,
  FAULT_SKIP = '0',
  FAULT_MODE,
  FAULT_SHIFT,
  FAULT_CLOCK,
} = process.env;

/** Calls that change the disk, whatever their arguments. */
const CHANGES = [
  ...['mkdir', 'mkdtemp', 'writeFile', 'appendFile', 'rename', 'rm', 'rmdir', 'unlink'],
  ...['chmod', 'link', 'symlink', 'truncate', 'copyFile'],
];

/** How far the clock was moved so far. Milliseconds. */
let clockShiftMs = 0;

if (FAULT_FOR !== undefined && new RegExp(FAULT_FOR).test(process.argv[1] ?? '')) {
  if (FAULT_STEPS !== undefined) countSteps();
  if (FAULT_SHIFT !== undefined) shiftClock(() => clockShiftMs);
  if (FAULT_CLOCK !== undefined) shiftClock(() => Number(fs.readFileSync(FAULT_CLOCK, 'utf8')));
}

function countSteps() {
  const { openSync, writeSync } = fs;
  const log = openSync(FAULT_STEPS, 'a');
  const at = /^[0-9]+$/.test(FAULT_AT) ? Number(FAULT_AT) : new RegExp(FAULT_AT);
  let steps = 0;
  let toSkip = Number(FAULT_SKIP);
  let isOver = false;
  /**
   * True where this step has to fail. Does not return where it has to die. `start` starts the program that
   * goes on without us.
   */
  const step = (text, start) => {
    const name = text.replaceAll('\n', ' ');
    steps += 1;
    writeSync(log, `${name}\n`);
    if (isOver || !(typeof at === 'number' ? steps === at : at.test(name))) return false;
    toSkip -= typeof at === 'number' ? 0 : 1;
    if (typeof at !== 'number' && toSkip >= 0) return false;
    isOver = true;
    if (FAULT_MODE === 'sets-clock') {
      clockShiftMs = Number(FAULT_SHIFT);
      return false;
    }
    if (FAULT_MODE === 'fails' || FAULT_MODE === 'kills') return true;
    if (FAULT_MODE === 'orphans') start?.();
    return die();
  };
  const eio = (name) => Object.assign(new Error(`EIO: injected, ${name}`), { code: 'EIO', syscall: name });

  const writes = (flags) => (typeof flags === 'number' ? (flags & 3) !== 0 : /[wa+]/.test(flags ?? 'r'));
  const isStep = (name, args) => CHANGES.includes(name) || (name === 'open' && writes(args[1]));
  const named = (name, args) => `${name} ${args.slice(0, name === 'rename' ? 2 : 1).join(' ')}`;

  for (const name of [...CHANGES, 'open']) {
    const inPromise = fs.promises[name];
    fs.promises[name] = async (...args) => {
      if (isStep(name, args) && step(named(name, args))) throw eio(name);
      return inPromise(...args);
    };
    const inCallback = fs[name];
    fs[name] = (...args) => {
      if (!isStep(name, args) || !step(named(name, args))) return inCallback(...args);
      process.nextTick(args.at(-1), eio(name));
    };
    const inSync = name === 'open' ? openSync : fs[`${name}Sync`];
    fs[`${name}Sync`] = (...args) => {
      if (isStep(name, args) && step(named(name, args))) throw eio(name);
      return inSync(...args);
    };
  }
  const { spawn } = childProcess;
  childProcess.spawn = (file, args, options) => {
    const start = () => spawn(file, args, options);
    if (!step([file, ...args].join(' '), start)) return start();
    const end = FAULT_MODE === 'kills' ? 'kill -KILL $$' : 'echo "fatal: injected" >&2; exit 128';
    return spawn('sh', ['-c', end], options);
  };
  syncBuiltinESMExports();
  if (FAULT_MODE !== 'sets-clock') return;
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (text, ...rest) => {
    step(`says ${text}`);
    return write(text, ...rest);
  };
}

function die() {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at the next chance; none of our code may run before that.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function shiftClock(byMs) {
  const { now } = Date;
  Date.now = () => now() + byMs();
}
