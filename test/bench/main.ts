/**
 * `npm run bench`: starts its own sshd, bridges, agents and an instant model, measures what the bridge adds,
 * and prints a table. Exit code 0 also where a target is missed (the table says so), 1 where a row could not
 * be measured, 2 for wrong use.
 */
import path from 'node:path';
import { BridgeError, errorText } from '../../src/protocol/bridge-error.js';
import { type BenchOptions, type RowName, readBenchOptions } from './bench-options.js';
import { type Lab, type LabBridge, openLab, type Program } from './lab.js';
import { describeMachine } from './machine.js';
import { prepareBridge } from './prepare-bridge.js';
import { asMarkdown, asText, type Figure, type Report } from './report.js';
import type { Row, RowContext } from './row-context.js';
import { asideRow } from './rows/aside.js';
import { backlogRow } from './rows/backlog.js';
import { commandsRow } from './rows/commands.js';
import { diskRow } from './rows/disk.js';
import { doorbellRow } from './rows/doorbell.js';
import { drainRow } from './rows/drain.js';
import { flatRow } from './rows/flat.js';
import { gatewayAsksRow, gatewayFirstTokenRow, gatewayStreamsRow } from './rows/gateway.js';
import { idleRow } from './rows/idle.js';
import { openRow } from './rows/open.js';
import { overheadRow } from './rows/overhead.js';
import { processesRow } from './rows/processes.js';
import { resentRow } from './rows/resent.js';
import { shellLoopRow } from './rows/shell-loop.js';
import { firstTokenRow, tokensRow } from './rows/streams.js';
import { tunnelRow } from './rows/tunnel.js';

const RUNNERS: Readonly<Record<RowName, Row>> = {
  overhead: overheadRow,
  processes: processesRow,
  flat: flatRow,
  doorbell: doorbellRow,
  'first-token': firstTokenRow,
  tokens: tokensRow,
  'gateway-first-token': gatewayFirstTokenRow,
  'gateway-streams': gatewayStreamsRow,
  'gateway-asks': gatewayAsksRow,
  backlog: backlogRow,
  drain: drainRow,
  open: openRow,
  aside: asideRow,
  'shell-loop': shellLoopRow,
  tunnel: tunnelRow,
  idle: idleRow,
  disk: diskRow,
  resent: resentRow,
  commands: commandsRow,
};

/** All of it, whatever hangs. */
const MAX_TOTAL_MS = 45 * 60_000;

try {
  process.exitCode = await bench(readBenchOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`error: ${errorText(error)}`);
  if (error instanceof BridgeError) console.error(`try: ${error.remedy}`);
  process.exitCode = error instanceof BridgeError && error.code === 'usage' ? 2 : 1;
}

async function bench(options: BenchOptions): Promise<number> {
  const stopped = new AbortController();
  const stop = () => stopped.abort(new Error('stopped'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(MAX_TOTAL_MS)]);
  const program: Program = [process.execPath, path.resolve('dist/cli/main.js')];
  const lab = await openLab(program, signal);
  const figures: Figure[] = [];
  const failures: { row: string; why: string }[] = [];
  try {
    const context = makeContext(lab, program, options);
    for (const name of options.row) {
      if (signal.aborted) break;
      const startedAt = performance.now();
      lab.say(`${name} …`);
      try {
        figures.push(...(await RUNNERS[name](context)));
      } catch (error) {
        failures.push({ row: name, why: errorText(error).split('\n')[0]?.slice(0, 200) ?? '' });
        lab.say(`${name} failed: ${errorText(error)}`);
      }
      lab.say(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    }
    const report: Report = { machine: await describeMachine(new Date()), figures, failures };
    const text = options.json
      ? `${JSON.stringify(report)}\n`
      : options.markdown
        ? asMarkdown(report)
        : asText(report);
    process.stdout.write(text);
    return failures.length > 0 || signal.aborted ? 1 : 0;
  } finally {
    await lab.close();
  }
}

function makeContext(lab: Lab, program: Program, options: BenchOptions): RowContext {
  let long: Promise<LabBridge> | undefined;
  return {
    lab,
    program,
    options,
    shortBridge: (name) => prepareBridge(lab, name, { answered: 100, recent: 100 }),
    longBridge: () => {
      long ??= prepareBridge(lab, 'long', { answered: options.history, recent: 100 });
      return long;
    },
  };
}
