import type { TokenKeeper } from '../../admin/tokens.js';
import { ApiError } from '../api-errors.js';
import { cookieToken } from '../page-login.js';
import type { CallAtDoor } from './request-door.js';

/** Who may call, where tokens are in use or needed. */
export interface TokenDoor {
  readonly tokens: TokenKeeper;
  /** Whether calls can come from other machines: then nobody comes in without a token. */
  readonly isOpenToOthers: boolean;
}

/**
 * The name of the token that a call has, in `Authorization: Bearer`, `x-api-key` or the page's cookie; null
 * where this machine may call without one. Throws ApiError 401 where a token is needed and there is none, or
 * a wrong one; and BridgeError as TokenKeeper does, so that nobody comes in while the tokens cannot be read.
 */
export function tokenNameOf({ header }: CallAtDoor, door: TokenDoor): string | null {
  if (!door.tokens.isInUse && !door.isOpenToOthers) return null;
  const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header('authorization') ?? '')?.[1];
  const given = [bearer, header('x-api-key'), cookieToken(header('cookie'))].filter(
    (one) => one !== undefined,
  );
  for (const token of given) {
    const name = door.tokens.nameOf(token);
    if (name !== null) return name;
  }
  const what = given.length === 0 ? 'no token came with the call' : 'the token is none of this gateway';
  throw new ApiError(`${what}: llm-bridge token add NAME makes one, to be sent as the API key`, {
    status: 401,
    code: 'invalid_api_key',
  });
}
