import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';

const at = { apiKey: 'any', maxRetries: 0, configuration: { baseURL: `${process.env.GATEWAY}/v1` } };
const chat = new ChatOpenAI({ model: 'llama3.2', ...at });
const { content } = await chat.invoke('What is 2+2?');
let streamed = '';
for await (const piece of await chat.stream('What is 2+2?')) streamed += piece.content;
const vectors = await new OpenAIEmbeddings({ model: 'all-minilm', ...at }).embedDocuments(['a', 'b']);
console.log(JSON.stringify({ text: content, streamed, vectors: vectors.length }));
