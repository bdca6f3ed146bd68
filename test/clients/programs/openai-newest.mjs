// The newest openai, on whatever Node runs this: a chat, streams, functions, embeddings.
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.GATEWAY}/v1`, apiKey: 'any', maxRetries: 0 });
const model = 'llama3.2';
const messages = [{ role: 'user', content: 'What is 2+2?' }];
const chat = await client.chat.completions.create({ model, messages });
let streamed = '';
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }))
  streamed += chunk.choices[0]?.delta?.content ?? '';
const response = await client.responses.stream({ model, input: 'What is 2+2?' }).finalResponse();
const { data } = await client.embeddings.create({ model: 'all-minilm', input: ['a', 'b'] });
console.log(
  JSON.stringify({
    text: chat.choices[0].message.content,
    streamed,
    response: response.output_text,
    vectors: data.length,
    node: process.versions.node,
  }),
);
