import json
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["GATEWAY"] + "/v1", api_key="any", max_retries=0)
messages = [{"role": "user", "content": "What is 2+2?"}]
chat = client.chat.completions.create(model="llama3.2", messages=messages)
stream = client.chat.completions.create(model="llama3.2", messages=messages, stream=True)
streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
with client.responses.stream(model="llama3.2", input="What is 2+2?") as events:
    events.until_done()
    response = events.get_final_response().output_text
vectors = client.embeddings.create(model="all-minilm", input=["a", "b"]).data
said = {"text": chat.choices[0].message.content, "streamed": streamed, "response": response}
print(json.dumps({**said, "vectors": len(vectors)}))
