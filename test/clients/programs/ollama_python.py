import json
import os

from ollama import Client

client = Client(host=os.environ["GATEWAY"])
model, embedder = os.environ["MODEL"], os.environ["EMBEDDER"]
messages = [{"role": "user", "content": "What is 2+2?"}]
asked = {"model": model, "messages": messages, "options": {"num_predict": 16}}
text = client.chat(**asked).message.content
streamed = "".join(piece.message.content or "" for piece in client.chat(**asked, stream=True))
vectors = client.embed(model=embedder, input=["a", "b"]).embeddings if embedder else []
names = [listed.model for listed in client.list().models]
client.show(model)
client.ps()
print(json.dumps({"text": text, "streamed": streamed, "vectors": len(vectors), "models": names}))
