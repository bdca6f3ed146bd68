import type { TokenKeeper } from '../../admin/token-keeper.js';
import { ApiError } from '../api-errors.js';
import { cookieToken } from '../page-login.js';
import type { CallHead } from './request-guard.js';

/** Who may call, where tokens are in use or needed. */
export interface TokenGuard {
  readonly tokens: TokenKeeper;
  /** Whether calls can come from other machines: then nobody comes in without a token. */
  readonly isOpenToOthers: boolean;
}

/**
 * The name of the token that a call has, in `Authorization: Bearer`, `x-api-key` or the page's cookie; null
 * where this machine may call without one. Where both headers have a token, one of them may be wrong:
 * clients send what they have. Throws ApiError 401 where a token is needed and there is none, or only wrong
 * ones; 400 for two names; and BridgeError as TokenKeeper does, so that nobody comes in while tokens cannot
 * be read.
 */
export function tokenNameOf({ header }: CallHead, guard: TokenGuard): string | null {
  if (!guard.tokens.isInUse && !guard.isOpenToOthers) return null;
  const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header('authorization') ?? '')?.[1];
  const sent = [bearer, header('x-api-key')].filter((one) => one !== undefined);
  // A token in a header counts before the cookie that a browser sends by itself.
  const cookie = sent.length === 0 ? cookieToken(header('cookie')) : undefined;
  const given = cookie === undefined ? sent : [cookie];
  const [name = null, ...others] = new Set(
    given.map((token) => guard.tokens.nameOf(token)).filter((one) => one !== null),
  );
  if (others.length > 0) {
    throw new ApiError('two tokens of different names came with the call: send one', {
      status: 400,
      code: 'two_tokens',
    });
  }
  if (name !== null) return name;
  const what = given.length === 0 ? 'no token came with the call' : 'the token is none of this gateway';
  throw new ApiError(`${what}: llm-bridge token add NAME makes one, to be sent as the API key`, {
    status: 401,
    code: 'invalid_api_key',
  });
}
