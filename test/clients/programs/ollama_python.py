import json
import os

from ollama import Client

client = Client(host=os.environ["GATEWAY"])
messages = [{"role": "user", "content": "What is 2+2?"}]
text = client.chat(model="llama3.2", messages=messages).message.content
stream = client.chat(model="llama3.2", messages=messages, stream=True)
streamed = "".join(piece.message.content or "" for piece in stream)
vectors = client.embed(model="all-minilm", input=["a", "b"]).embeddings
names = [model.model for model in client.list().models]
client.show("llama3.2")
client.ps()
print(json.dumps({"text": text, "streamed": streamed, "vectors": len(vectors), "models": names}))
