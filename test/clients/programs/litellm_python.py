import json
import os

import litellm

gateway, model = os.environ["GATEWAY"], os.environ["MODEL"]
at = {"api_base": gateway + "/v1", "api_key": "any", "num_retries": 0, "max_tokens": 16}
messages = [{"role": "user", "content": "What is 2+2?"}]
text = litellm.completion(model="openai/" + model, messages=messages, **at).choices[0].message.content
stream = litellm.completion(model="openai/" + model, messages=messages, stream=True, **at)
streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
anthropic = litellm.completion(
    model="anthropic/" + model, messages=messages, api_base=gateway, api_key="any", max_tokens=16
)
response = anthropic.choices[0].message.content
print(json.dumps({"text": text, "streamed": streamed, "response": response}))
