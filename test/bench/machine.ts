import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { MachineDescription } from './report.js';

/** Describes this machine, without its name. */
export async function describeMachine(now: Date): Promise<MachineDescription> {
  const cpus = os.cpus();
  return {
    date: now.toISOString().slice(0, 10),
    cpu: `${cpus.length} cores of ${(cpus[0]?.model ?? 'an unknown processor').trim()}`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release().replace(/[^0-9.].*$/, '')}`,
    node: process.versions.node,
    git: (await said('git', ['--version'])).replace(/^git version /, ''),
    ssh: (await said('ssh', ['-V'])).replace(/[ ,].*$/s, '').replace('_', ' '),
  };
}

async function said(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, [...args]);
  return (stdout || stderr).trim();
}
