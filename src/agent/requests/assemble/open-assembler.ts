import type { RequestPath } from '../../../protocol/request.js';
import type { Assembler } from './assembler.js';
import { ChoicesAssembler } from './choices.js';
import { EmbeddingsAssembler } from './embeddings.js';
import { LinesAssembler } from './lines.js';
import { MessageAssembler } from './message.js';
import { ResponseAssembler } from './response.js';

/** An assembler for a call of this path. */
export function openAssembler(path: RequestPath): Assembler {
  switch (path) {
    case '/v1/chat/completions':
      return new ChoicesAssembler('chat.completion');
    case '/v1/completions':
      return new ChoicesAssembler('text_completion');
    case '/v1/responses':
      return new ResponseAssembler();
    case '/v1/messages':
      return new MessageAssembler();
    case '/api/chat':
      return new LinesAssembler('message');
    case '/api/generate':
      return new LinesAssembler('response');
    case '/v1/embeddings':
    case '/api/embed':
    case '/api/embeddings':
      return new EmbeddingsAssembler();
  }
}
