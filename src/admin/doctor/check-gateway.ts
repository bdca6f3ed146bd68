import { existsSync } from 'node:fs';
import { shellQuote } from '../../process/shell-quote.js';
import { timeLimit } from '../../process/time-limit.js';
import { type ListedGateway, listGateways } from '../running-gateways.js';
import { tokenFileIn } from '../token-file.js';
import { listTokens } from '../tokens.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** A gateway on this machine answers within milliseconds; one that takes longer does not. Milliseconds. */
const ANSWER_MS = 5_000;

/**
 * Checks whether the gateways of this machine answer, and whether their tokens can be read. Throws
 * BridgeError `token-file` where they cannot: then nobody comes in.
 */
export async function checkGateway(folder: string, repo: string): Promise<Verdict[]> {
  const file = tokenFileIn(folder);
  const count = listTokens(file).length;
  const tokens = existsSync(file) ? `with ${count} ${count === 1 ? 'token' : 'tokens'}` : 'without tokens';
  const gateways = await listGateways(folder);
  if (gateways.length === 0) return [ok('no gateway runs here')];
  return await Promise.all(gateways.map((one) => judge(one, { repo, tokens })));
}

async function judge(
  { url, isRunning, started_at }: ListedGateway,
  { repo, tokens }: { readonly repo: string; readonly tokens: string },
): Promise<Verdict> {
  const again = `llm-bridge serve --repo ${shellQuote(repo)}`;
  if (!isRunning)
    return warning(`the gateway at ${url}, started at ${started_at}, is gone without a goodbye`, again);
  const here = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  const status = await fetch(here, { signal: timeLimit(ANSWER_MS) }).then(
    (response) => response.status,
    () => null,
  );
  // Without a token it says that it wants one, and that is an answer.
  if (status === 200 || status === 401) return ok(`the gateway at ${url} answers, ${tokens}`);
  const what = status === null ? 'does not answer' : `answers with ${status}`;
  return broken(`the gateway at ${url} ${what}`, `end its process, then: ${again}`);
}
