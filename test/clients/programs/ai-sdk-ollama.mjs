import { embedMany, generateText, streamText } from 'ai';
import { createOllama } from 'ai-sdk-ollama';

const { GATEWAY, MODEL, EMBEDDER } = process.env;
const ollama = createOllama({ baseURL: GATEWAY });
const asked = { model: ollama(MODEL), prompt: 'What is 2+2?', maxOutputTokens: 16, maxRetries: 0 };
const { text } = await generateText(asked);
let streamed = '';
for await (const piece of streamText(asked).textStream) streamed += piece;
const { embeddings } = EMBEDDER
  ? await embedMany({ model: ollama.embedding(EMBEDDER), values: ['a', 'b'] })
  : { embeddings: [] };
console.log(JSON.stringify({ text, streamed, vectors: embeddings.length, node: process.versions.node }));
