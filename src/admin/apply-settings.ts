import { open } from 'node:fs/promises';
import path from 'node:path';
import { readBridgeSettings } from '../bridge/bridge-settings.js';
import { readLocalConfig, writeLocalConfig } from '../git/porcelain.js';
import type { Repository } from '../git/run-git.js';
import { DISK, syncEntry } from '../process/durable-file.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { enforcedSettings, OWNER_SETTINGS } from './repository-settings.js';

/** Settings that init writes once; after that only the owner changes them. */
const DEFAULT_SETTINGS = OWNER_SETTINGS.filter((one) => one.isWrittenByInit).map(
  ({ key, fallback }) => [key, fallback] as const,
);

/** An enforced setting that differs from what init writes; `now` is empty where it is unset. */
export interface WrongSetting {
  readonly key: string;
  readonly wanted: readonly string[];
  readonly now: readonly string[];
}

/** Compares the config of a repository with what init writes. */
export async function findWrongSettings(repo: Repository): Promise<WrongSetting[]> {
  const wrong: WrongSetting[] = [];
  const all = await readLocalConfig(repo);
  for (const [key, ...wanted] of enforcedSettings(await readBridgeSettings(repo))) {
    const now = all.get(key.toLowerCase()) ?? [];
    if (now.length !== wanted.length || now.some((value, at) => value !== wanted[at]))
      wrong.push({ key, wanted, now });
  }
  return wrong;
}

/**
 * Writes all settings of a new repository that nobody else knows yet, at once: one git process for each
 * would be most of the time of an init. `applySettings` then compares them with what git reads, in case a
 * value ever needs quotes. `version`: the protocol of the bridge.
 */
export async function writeSettings(repo: Repository, version = PROTOCOL_VERSION): Promise<void> {
  const settings = [...enforcedSettings(await readBridgeSettings(repo)), ...DEFAULT_SETTINGS];
  const sections = new Map<string, string[]>();
  for (const [key, ...wanted] of settings) {
    const values = key === 'bridge.version' ? [String(version)] : wanted;
    const [head = '', ...rest] = key.split('.');
    const name = rest.pop() ?? '';
    const section = rest.length === 0 ? head : `${head} "${rest.join('.')}"`;
    const lines = sections.get(section) ?? [];
    sections.set(section, [...lines, ...values.map((value) => `\t${name} = ${value}\n`)]);
  }
  const text = [...sections].map(([section, lines]) => `[${section}]\n${lines.join('')}`);
  const config = await open(path.join(repo.gitDir, 'config'), 'a');
  try {
    await config.writeFile(text.join(''));
    await config.sync();
  } finally {
    await config.close();
  }
}

/** Corrects the config of a repository. Returns the keys that changed. */
export async function applySettings(repo: Repository): Promise<string[]> {
  const changed: string[] = [];
  for (const { key, wanted } of await findWrongSettings(repo)) {
    await writeLocalConfig(repo, key, wanted);
    changed.push(key);
  }
  const all = await readLocalConfig(repo);
  for (const [key, value] of DEFAULT_SETTINGS) {
    if (all.has(key.toLowerCase())) continue;
    await writeLocalConfig(repo, key, [value]);
    changed.push(key);
  }
  if (changed.length > 0) await syncConfig(repo);
  return changed;
}

/**
 * Syncs the config, as git does not: a power cut would leave an empty one, and a bridge that serves nobody.
 */
async function syncConfig(repo: Repository): Promise<void> {
  const file = path.join(repo.gitDir, 'config');
  const config = await open(file, 'r+');
  try {
    await config.sync();
  } finally {
    await config.close();
  }
  await syncEntry(DISK, file);
}
