import { ChatOllama, OllamaEmbeddings } from '@langchain/ollama';

const baseUrl = process.env.GATEWAY;
const chat = new ChatOllama({ model: 'llama3.2', baseUrl, maxRetries: 0 });
const { content } = await chat.invoke('What is 2+2?');
let streamed = '';
for await (const piece of await chat.stream('What is 2+2?')) streamed += piece.content;
const vectors = await new OllamaEmbeddings({ model: 'all-minilm', baseUrl }).embedDocuments(['a', 'b']);
console.log(JSON.stringify({ text: content, streamed, vectors: vectors.length }));
