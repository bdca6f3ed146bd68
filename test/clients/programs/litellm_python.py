import json
import os

import litellm

at = {"api_base": os.environ["GATEWAY"] + "/v1", "api_key": "any", "num_retries": 0}
messages = [{"role": "user", "content": "What is 2+2?"}]
text = litellm.completion(model="openai/llama3.2", messages=messages, **at).choices[0].message.content
stream = litellm.completion(model="openai/llama3.2", messages=messages, stream=True, **at)
streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
anthropic = litellm.completion(
    model="anthropic/llama3.2", messages=messages, api_base=os.environ["GATEWAY"], api_key="any"
)
response = anthropic.choices[0].message.content
print(json.dumps({"text": text, "streamed": streamed, "response": response}))
