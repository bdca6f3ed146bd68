import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isOwner } from '../../bridge/local-bridge.js';
import { shellQuote } from '../../process/shell-quote.js';
import { principalNameSchema, roleSchema } from '../../protocol/names.js';
import { findKeyLines, readAuthorizedKeys } from '../authorized-keys.js';
import { fingerprint, parsePublicKey } from '../public-key.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** A line of `authorized_keys` with a key in it. */
interface KeyLine {
  readonly text: string;
  readonly blob: string;
  readonly fingerprint: string;
}

/**
 * Compares the names of the bridge with the lines that let keys in. Every line of this bridge needs a name
 * with a role, and every name a line. No key of the bridge may come in by another line, and sshd has to
 * accept the file at all.
 */
export async function checkKeys(gitDir: string, authorizedKeysFile: string): Promise<Verdict[]> {
  const text = await readAuthorizedKeys(authorizedKeysFile);
  const lines = keyLines(text);
  const mine = findKeyLines(text, gitDir);
  const names = await readNames(gitDir);
  const verdicts = await judgeFile(authorizedKeysFile);
  const repo = shellQuote(gitDir);
  const again = (name: string) =>
    `llm-bridge key remove ${name} --repo ${repo}; llm-bridge key add ${name} --role agent|asker --key FILE.pub --repo ${repo}`;

  for (const { name, key, line } of mine) {
    const known = names.get(name);
    if (!principalNameSchema.safeParse(name).success) {
      verdicts.push(
        broken(
          `the name ${name} is none that git takes, and its key is let in no more`,
          `llm-bridge key remove ${name} --repo ${repo}; then key add by another name`,
        ),
      );
    } else if (known === undefined) {
      verdicts.push(
        broken(`the key ${name} is let in by sshd, but the bridge has no role for it`, again(name)),
      );
    } else if (!roleSchema.safeParse(known.role).success) {
      verdicts.push(
        broken(
          `the role of ${name} is ${JSON.stringify(known.role)}, and neither agent nor asker`,
          again(name),
        ),
      );
    } else if (known.fingerprint !== fingerprint(key)) {
      verdicts.push(
        broken(
          `the key of ${name} is ${fingerprint(key)}, and its role was given to ${known.fingerprint || 'no key'}`,
          again(name),
        ),
      );
    }
    if (!/^restrict[, ]/.test(line)) {
      verdicts.push(
        broken(
          `the line of ${name} lacks "restrict": the key may forward ports and get a terminal`,
          again(name),
        ),
      );
    }
    const first = lines.find((one) => one.blob === key.blob);
    if (first !== undefined && first.text !== line) {
      verdicts.push(
        broken(
          `the key of ${name} stands in another line before its own, and sshd heeds the first alone`,
          `nano ${shellQuote(authorizedKeysFile)}`,
        ),
      );
    }
  }
  for (const [name, known] of names) {
    if (mine.some((one) => one.name === name)) continue;
    const bare = lines.find(
      (one) => one.fingerprint === known.fingerprint || one.text.endsWith(` llm-bridge:${name}`),
    );
    verdicts.push(
      bare === undefined
        ? warning(`${name} has a role, but no line in ${authorizedKeysFile}`, again(name))
        : broken(
            `the line of ${name} lacks the forced command of this bridge: the key may do whatever its user may`,
            again(name),
          ),
    );
  }
  if (verdicts.length > 0) return verdicts;
  if (mine.length > 0) return [ok(`${mine.length} let in: ${mine.map((one) => one.name).join(', ')}`)];
  return [
    warning('no key was let in yet', `llm-bridge key add home-pc --role agent --key FILE.pub --repo ${repo}`),
  ];
}

function keyLines(text: string): KeyLine[] {
  const found: KeyLine[] = [];
  for (const line of text.split('\n')) {
    if (line.trimStart().startsWith('#')) continue;
    // An unclosed quote takes the rest of the line, as it does for sshd.
    const unquoted = line.replace(/"(?:[^"\\]|\\.?)*"?/g, '""');
    const type = /(?:^|\s)((?:ssh|ecdsa|sk)-\S+ \S+)/.exec(unquoted)?.[1];
    const key = type === undefined ? null : parsePublicKey(type);
    if (key !== null) found.push({ text: line, blob: key.blob, fingerprint: fingerprint(key) });
  }
  return found;
}

async function readNames(gitDir: string): Promise<Map<string, { role: string; fingerprint: string }>> {
  const folder = path.join(gitDir, 'bridge', 'principals');
  const names = new Map<string, { role: string; fingerprint: string }>();
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const text = await readFile(path.join(folder, name), 'utf8').catch(() => '');
    const [role = '', print = ''] = text.trim().split(/\s+/);
    names.set(name, { role, fingerprint: print });
  }
  return names;
}

/**
 * sshd with its usual StrictModes ignores a file that others could write: the file, its folder, and the home
 * folder above.
 */
async function judgeFile(file: string): Promise<Verdict[]> {
  if (process.platform === 'win32') return [];
  const folder = path.dirname(file);
  const paths = path.basename(folder) === '.ssh' ? [file, folder, path.dirname(folder)] : [file];
  const verdicts: Verdict[] = [];
  for (const one of paths) {
    const stats = await stat(one).catch(() => null);
    if (stats === null) continue;
    if ((stats.mode & 0o022) !== 0)
      verdicts.push(
        broken(`${one} can be written by others, so sshd ignores the keys`, `chmod go-w ${shellQuote(one)}`),
      );
    if (!isOwner(stats.uid) && stats.uid !== 0)
      verdicts.push(
        broken(
          `${one} belongs to another user, so sshd ignores the keys`,
          `sudo chown "$USER" ${shellQuote(one)}`,
        ),
      );
  }
  return verdicts;
}
