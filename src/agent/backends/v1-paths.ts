import { REQUEST_PATHS, type RequestPath } from '../../protocol/request.js';

/** The calls of OpenAI's API, and of Anthropic's, which servers of OpenAI's API often have as well. */
export const V1_PATHS: readonly RequestPath[] = REQUEST_PATHS.filter((path) => path.startsWith('/v1/'));
