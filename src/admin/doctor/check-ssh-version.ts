import { runProgram } from '../../process/run-program.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** Checks the version of the ssh in the PATH. */
export async function checkSshVersion(env: NodeJS.ProcessEnv): Promise<Verdict> {
  const result = await runProgram(['ssh', '-V'], { env }).catch(() => null);
  if (result === null) return broken('ssh was not found', 'install the OpenSSH client');
  return judgeSshClient(result.stderr.trim());
}

/** Judges the output of `ssh -V`: `OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL …`. */
export function judgeSshClient(text: string): Verdict {
  const version = openSshVersion(text);
  const name = text.split(',')[0] ?? text;
  if (version === null) return ok(`${name}, which is not OpenSSH`);
  // https://github.com/PowerShell/Win32-OpenSSH/issues/1330 and /1470: it hangs where its input is NUL, as a
  // program's is.
  if (/OpenSSH_for_Windows_7\./.test(text))
    return broken(`${name} hangs when a program starts it`, 'winget install Microsoft.OpenSSH.Preview');
  // https://www.openssh.com/txt/release-7.6: RemoteCommand and StrictHostKeyChecking=accept-new came with
  // it.
  if (version < 7.6)
    return broken(
      `${name} does not know all options that it is started with`,
      'install OpenSSH 7.6 or newer',
    );
  return ok(name);
}

/** Packages with the fix for CVE-2024-6387 under the old version number: DSA-5724-1 and USN-6859-1. */
const MENDED_PACKAGES: readonly (readonly [pattern: RegExp, least: number])[] = [
  [/^OpenSSH_9\.2p1 Debian-2\+deb12u([0-9]+)/, 3],
  [/^OpenSSH_8\.9p1 Ubuntu-3ubuntu0\.([0-9]+)/, 10],
  [/^OpenSSH_9\.3p1 Ubuntu-1ubuntu3\.([0-9]+)/, 6],
  [/^OpenSSH_9\.6p1 Ubuntu-3ubuntu13\.([0-9]+)/, 3],
];

/** Judges the banner of a server: `SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3`. */
export function judgeSshServer(banner: string): Verdict {
  const name = banner.replace(/^SSH-2\.0-/, '');
  const version = openSshVersion(name);
  if (version === null) return ok(name);
  // https://www.openssh.com/txt/release-7.2: "restrict" in authorized_keys came with it; an older sshd drops
  // the whole line.
  if (version < 7.2)
    return broken(
      `the server's ${name} does not know "restrict", so it lets no key of the bridge in`,
      'upgrade OpenSSH on the server to 7.2 or newer',
    );
  const listed = MENDED_PACKAGES.map(([pattern, least]) => ({ found: pattern.exec(name), least })).find(
    ({ found }) => found !== null,
  );
  const isMended = listed === undefined ? name.includes(' ') : Number(listed.found?.[1] ?? 0) >= listed.least;
  if (version >= 8.5 && version < 9.8 && !isMended) {
    return warning(
      `the server's ${name} may have CVE-2024-6387 (code of strangers, as root)`,
      'on the server: sudo apt-get update && sudo apt-get install --only-upgrade openssh-server',
    );
  }
  return ok(name);
}

/** 9.2 from `OpenSSH_9.2p1`; no release ever had two digits after the point. */
function openSshVersion(text: string): number | null {
  const match = /OpenSSH_(?:for_Windows_)?([0-9]+)\.([0-9])/.exec(text);
  return match === null ? null : Number(`${match[1]}.${match[2]}`);
}
