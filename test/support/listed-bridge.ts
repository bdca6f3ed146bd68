import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BareBridge, bareBridge } from './bare-bridge.js';
import { type MessageWriter, messageWriter } from './message-writer.js';

/** A bare bridge that takes a list of open tasks, and what writes its history. */
export interface ListedBridge extends BareBridge {
  /** The bridge, for what starts git itself. */
  readonly repo: { readonly gitDir: string; readonly env: Record<string, string> };
  readonly write: MessageWriter;
  /** Where the list is kept. */
  readonly file: string;
}

/** Makes one for the running test; there is no list yet. */
export async function listedBridge(): Promise<ListedBridge> {
  const bridge = await bareBridge();
  const { gitDir } = bridge;
  const folder = join(gitDir, 'bridge');
  await mkdir(folder);
  const env = bridge.env as Record<string, string>;
  const file = join(folder, 'open-tasks');
  return { ...bridge, repo: { gitDir, env }, write: messageWriter(gitDir, env), file };
}
