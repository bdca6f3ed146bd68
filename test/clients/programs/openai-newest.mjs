// The newest openai, on whatever Node runs this: a chat, streams, functions, embeddings.
import OpenAI from 'openai';

const { GATEWAY, MODEL: model, EMBEDDER } = process.env;
const client = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: 'any', maxRetries: 0 });
const asked = { model, messages: [{ role: 'user', content: 'What is 2+2?' }], max_tokens: 16 };
const chat = await client.chat.completions.create(asked);
let streamed = '';
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
  streamed += chunk.choices[0]?.delta?.content ?? '';
const input = { model, input: 'What is 2+2?', max_output_tokens: 16 };
const response = await client.responses.stream(input).finalResponse();
const { data } = EMBEDDER
  ? await client.embeddings.create({ model: EMBEDDER, input: ['a', 'b'] })
  : { data: [] };
console.log(
  JSON.stringify({
    text: chat.choices[0].message.content,
    streamed,
    response: response.output_text,
    vectors: data.length,
    node: process.versions.node,
  }),
);
