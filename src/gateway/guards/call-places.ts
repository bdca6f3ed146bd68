import type { HttpBindings } from '@hono/node-server';
import { ApiError } from '../api-errors.js';
import type { GatewayParts } from '../gateway-parts.js';

/** The place that a call takes here. */
export interface CallPlace {
  /** Is told of each piece of the body. Throws ApiError 429 where there is no room for it. */
  readonly hold: (bytes: number) => void;
  /** The answer has been made. The place is held until the answer went out, or the client has left. */
  readonly leave: () => void;
}

/** Counts the calls that are in here, and the bytes of their bodies. */
export class CallPlaces {
  readonly #max: Pick<GatewayParts, 'maxCalls' | 'maxHeldBytes'>;
  #taken = 0;
  #heldBytes = 0;

  constructor(max: Pick<GatewayParts, 'maxCalls' | 'maxHeldBytes'>) {
    this.#max = max;
  }

  /** Takes a place. `outgoing`: where the answer goes. Throws ApiError 429 where there is none. */
  enter(outgoing: HttpBindings['outgoing'] | undefined): CallPlace {
    const { maxCalls, maxHeldBytes } = this.#max;
    if (this.#taken >= maxCalls) throw tooMany(`${maxCalls} calls wait here already`);
    this.#taken += 1;
    let held = 0;
    const hold = (bytes: number) => {
      if (this.#heldBytes + bytes > maxHeldBytes) throw tooMany('the calls that wait here fill the memory');
      held += bytes;
      this.#heldBytes += bytes;
    };
    const leave = () => {
      this.#taken -= 1;
      this.#heldBytes -= held;
    };
    if (outgoing === undefined) return { hold, leave };
    outgoing.once('close', leave);
    return { hold, leave: () => {} };
  }
}

function tooMany(what: string): ApiError {
  return new ApiError(`${what}: try again`, { status: 429, code: 'too_many_calls', retryAfterS: 1 });
}
