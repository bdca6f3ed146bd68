import { embedMany, generateText, streamText } from 'ai';
import { createOllama } from 'ai-sdk-ollama';

const ollama = createOllama({ baseURL: process.env.GATEWAY });
const prompt = 'What is 2+2?';
const { text } = await generateText({ model: ollama('llama3.2'), prompt, maxRetries: 0 });
let streamed = '';
for await (const piece of streamText({ model: ollama('llama3.2'), prompt }).textStream) streamed += piece;
const { embeddings } = await embedMany({ model: ollama.embedding('all-minilm'), values: ['a', 'b'] });
console.log(JSON.stringify({ text, streamed, vectors: embeddings.length, node: process.versions.node }));
