import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';

const { GATEWAY, MODEL, EMBEDDER } = process.env;
const at = { apiKey: 'any', maxRetries: 0, configuration: { baseURL: `${GATEWAY}/v1` } };
const chat = new ChatOpenAI({ model: MODEL, maxTokens: 16, ...at });
const { content } = await chat.invoke('What is 2+2?');
let streamed = '';
for await (const piece of await chat.stream('What is 2+2?')) streamed += piece.content;
const vectors = EMBEDDER
  ? await new OpenAIEmbeddings({ model: EMBEDDER, ...at }).embedDocuments(['a', 'b'])
  : [];
console.log(JSON.stringify({ text: content, streamed, vectors: vectors.length }));
