import json
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["GATEWAY"] + "/v1", api_key="any", max_retries=0)
model, embedder = os.environ["MODEL"], os.environ["EMBEDDER"]
asked = {"model": model, "messages": [{"role": "user", "content": "What is 2+2?"}], "max_tokens": 16}
chat = client.chat.completions.create(**asked)
stream = client.chat.completions.create(**asked, stream=True)
streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
with client.responses.stream(model=model, input="What is 2+2?", max_output_tokens=16) as events:
    events.until_done()
    response = events.get_final_response().output_text
vectors = client.embeddings.create(model=embedder, input=["a", "b"]).data if embedder else []
said = {"text": chat.choices[0].message.content, "streamed": streamed, "response": response}
print(json.dumps({**said, "vectors": len(vectors)}))
