import type { Behaviour, RecordedRequest, StandInRequest } from '../../src/demo/stand-in/stand-in-request.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import type { Random } from './random.js';
import { tokenOf } from './tokens.js';

/** A model server on a fixed port that has bad days. */
export interface SoakModel {
  readonly ollamaUrl: string;
  readonly lmstudioUrl: string;
  /** Closes every connection and comes back a moment later on the same port. */
  restart(): Promise<void>;
  /** From now on every answer is quick and good. */
  calm(): void;
  close(): Promise<void>;
}

/** How a request is taken; mostly well. */
const MOODS = {
  quick: 60,
  steady: 20,
  slow: 4,
  long: 6,
  'http-500': 2,
  'no-words': 2,
  dies: 2,
  'says-error': 1,
  busy: 1,
  crashed: 1,
  malformed: 1,
  'ends-early': 1,
  hangs: 0.5,
} as const;

/** How long a quick model takes, and one that holds up the others; milliseconds. */
const QUICK_MS = [10, 120] as const;
const SLOW_MS = [1000, 4000] as const;

/**
 * Starts one. `onGenerated` is called with the token of a question whenever a whole, good answer has left
 * the server. `hangs` answers nothing until the agent gives up.
 */
export async function startSoakModel(
  random: Random,
  onGenerated: (token: string) => void,
): Promise<SoakModel> {
  let isCalm = false;
  let standIn: StandIn = await startStandIn({ behave });

  function behave(request: StandInRequest): Behaviour {
    const mood = isCalm ? 'quick' : random.weighted(MOODS);
    const [min, max] = mood === 'slow' ? SLOW_MS : QUICK_MS;
    const firstTokenAfter = delay(
      mood === 'hangs' ? 60_000 : random.int(min, mood === 'steady' ? max * 4 : max),
    );
    const recorded = takeRequest(standIn);
    const good = (behaviour: Behaviour): Behaviour => {
      void recorded?.ended.then((how) => how === 'complete' && onGenerated(tokenOf(request.question) ?? ''));
      return { firstTokenAfter, ...behaviour };
    };
    switch (mood) {
      case 'http-500':
        return { refuse: { kind: 'http', status: 500, body: '{"error":"out of memory"}' } };
      case 'busy':
      case 'crashed':
        return { refuse: { kind: mood } };
      case 'no-words':
        return { firstTokenAfter, answer: '' };
      case 'dies':
        return { firstTokenAfter, fault: { afterChunks: random.int(0, 3), kind: 'die' } };
      case 'ends-early':
        return { firstTokenAfter, fault: { afterChunks: random.int(0, 3), kind: 'end' } };
      case 'says-error':
        return { firstTokenAfter, fault: { afterChunks: 1, kind: 'error', message: 'CUDA error' } };
      case 'malformed':
        return { firstTokenAfter, fault: { afterChunks: 1, kind: 'malformed' } };
      case 'long':
        return good({
          // Numbered: the same line again and again is stopped by the agent.
          answer: `${tokenOf(request.question)} \u2028 ${numberedLines(random.int(10, 5000))}`,
        });
      default:
        return good({});
    }
  }

  const { ollamaUrl, lmstudioUrl } = standIn;
  return {
    ollamaUrl,
    lmstudioUrl,
    async restart() {
      await standIn.close();
      await delay(random.int(100, 1500));
      standIn = await startStandIn({ behave, port: Number(new URL(ollamaUrl).port) });
    },
    calm() {
      isCalm = true;
    },
    close: () => standIn.close(),
  };
}

/**
 * The request that is being answered, which came last. The others are forgotten: thousands of prompts would
 * be kept.
 */
function takeRequest(standIn: StandIn): RecordedRequest | undefined {
  const requests = standIn.requests as RecordedRequest[];
  const last = requests.at(-1);
  requests.length = 0;
  return last;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    // Nobody waits for the end of this one when the run is over.
    setTimeout(resolve, ms).unref();
  });
}

function numberedLines(count: number): string {
  return Array.from({ length: count }, (_, line) => `long answer, line ${line}\n`).join('');
}
