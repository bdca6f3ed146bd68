import { ChatOllama, OllamaEmbeddings } from '@langchain/ollama';

const { GATEWAY: baseUrl, MODEL, EMBEDDER } = process.env;
const chat = new ChatOllama({ model: MODEL, baseUrl, numPredict: 16, maxRetries: 0 });
const { content } = await chat.invoke('What is 2+2?');
let streamed = '';
for await (const piece of await chat.stream('What is 2+2?')) streamed += piece.content;
const vectors = EMBEDDER
  ? await new OllamaEmbeddings({ model: EMBEDDER, baseUrl }).embedDocuments(['a', 'b'])
  : [];
console.log(JSON.stringify({ text: content, streamed, vectors: vectors.length }));
