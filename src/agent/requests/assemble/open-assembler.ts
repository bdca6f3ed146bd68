import type { RequestPath } from '../../../protocol/request.js';
import type { Assembler } from './assembler.js';
import { ChoicesAssembler } from './choices.js';
import type { Json } from './clean-json.js';
import { EmbeddingsAssembler } from './embeddings.js';
import { LinesAssembler } from './lines.js';
import { MessageAssembler } from './message.js';
import { ResponseAssembler } from './response.js';

/** An assembler for a call of this path. `body`: what is asked, which tells how many answers it has. */
export function openAssembler(path: RequestPath, body: Json = {}): Assembler {
  switch (path) {
    case '/v1/chat/completions':
      return new ChoicesAssembler('chat.completion', choicesOf(body));
    case '/v1/completions':
      return new ChoicesAssembler('text_completion', choicesOf(body));
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

/** `n` for each of the prompts. A list of numbers is one prompt, in tokens. */
function choicesOf({ n, prompt }: Json): number {
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt.length : 1;
  return prompts * (typeof n === 'number' ? n : 1);
}
