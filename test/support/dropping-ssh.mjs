// An ssh whose connection breaks: `node dropping-ssh.mjs <ssh and its words>`. It runs the ssh behind it,
// and cuts it off at a chosen moment, as a dead network does: the client hears that the connection was
// closed, the server that nobody is there.
//
// DROP_FOR  a pattern for the command on the server: git-upload-pack, git-receive-pack, bridge-fetch,
//           bridge-push, bridge-hello, bridge-wait
// DROP_WHEN before: nothing reaches the server. greeting: in the server's first words. question: in what the
//           client says then. answer: in what the server says to that. unheard: the server has done it all,
//           and none of what it says to that arrives. silent: from the client's first words on nothing
//           passes any more, and nothing is closed
// DROP_SAYS a pattern for the client's first words; only a connection on which it says that breaks. Not for
//           before and greeting
// DROP_DONE a file; the connection breaks only while it is not there, and it is made then: so one connection
//           breaks
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const { DROP_FOR = '$^', DROP_WHEN, DROP_SAYS = '', DROP_DONE } = process.env;
const [program = 'ssh', ...args] = process.argv.slice(2);

let when = new RegExp(DROP_FOR).test(args.at(-1) ?? '') ? DROP_WHEN : 'never';
if ((when === 'before' || when === 'greeting') && !takeTurn()) when = 'never';
if (when === 'before') end();

const pipe = when === 'never' ? 'inherit' : 'pipe';
const ssh = spawn(program, args, { stdio: [pipe, pipe, 'inherit'] });
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => cut(name));
let clientSpoke = false;
ssh.on('close', (code) => {
  if (when === 'unheard' && clientSpoke) end();
  else if (when !== 'silent') process.exit(code ?? 255);
});

if (when !== 'never') {
  process.stdin.on('data', (bytes) => {
    const isFirst = !clientSpoke;
    clientSpoke = true;
    if (isFirst && when !== 'greeting') {
      if (!new RegExp(DROP_SAYS).test(bytes.toString('latin1')) || !takeTurn()) when = 'never';
    }
    if (when === 'silent') return;
    if (when !== 'question') ssh.stdin.write(bytes);
    else if (isFirst) ssh.stdin.write(bytes.subarray(0, bytes.length / 2), () => cut());
  });
  process.stdin.on('end', () => when !== 'silent' && ssh.stdin.end());
  ssh.stdin.on('error', () => {});
  ssh.stdout.on('data', (bytes) => {
    const say = (part, then) => process.stdout.write(part, then);
    const half = bytes.subarray(0, bytes.length / 2);
    if (when === 'greeting' || (when === 'answer' && clientSpoke)) say(half, () => cut());
    else if (when === 'never' || !clientSpoke) say(bytes);
  });
}

/** Whether this is the one connection that breaks. */
function takeTurn() {
  try {
    writeFileSync(DROP_DONE, '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function cut(signal = 'SIGKILL') {
  ssh.kill(signal);
  end();
}

function end() {
  process.stderr.write('Connection closed by remote host\n', () => process.exit(255));
}
