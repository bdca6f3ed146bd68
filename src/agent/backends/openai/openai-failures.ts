import { COMMON_RULES, type FailureRule } from '../failure-rules.js';

/** How the servers fail that speak OpenAI's API, each by its own source or issues. */
export const OPENAI_FAILURES: readonly FailureRule[] = [
  {
    kind: 'final',
    wording: /out of memory|(?:failed|unable) to allocate|cudaMalloc failed/i,
    source: 'ggml of ggml-org/llama.cpp; vllm-project/vllm#2248: the same prompt would run out of it again',
  },
  {
    kind: 'final',
    wording: /could not load model|failed to load/i,
    source: 'mudler/LocalAI#950, #1087, #3007; goes before the words of what its engine died of',
  },
  {
    kind: 'busy',
    wording: /loading model|model is (?:still )?loading|loading, retry later/i,
    source: 'ggml-org/llama.cpp, tools/server/server-http.cpp and server-models.cpp: 503 until it is loaded',
  },
  {
    kind: 'busy',
    wording: /no slots? available/i,
    source: 'ggml-org/llama.cpp, tools/server/server-context.cpp',
  },
  {
    kind: 'busy',
    wording: /server is busy; please try again later/i,
    source: 'LostRuins/koboldcpp, koboldcpp.py: 503, of ggml-org/llama.cpp by another program',
  },
  {
    kind: 'lost',
    wording: /EngineCore encountered an issue|Background loop has errored|engine (?:process )?(?:is )?dead/i,
    source: 'vllm-project/vllm#27194, #42362: its engine died, and it ends so that it is started again',
  },
  {
    kind: 'lost',
    wording: /rpc error: code = (?:Unavailable|Canceled)/,
    source: 'mudler/LocalAI#2120, #2692, #3888: the process of the model died',
  },
  {
    kind: 'lost',
    wording: /proxy error|model is (?:unloaded|not running)/i,
    source: 'ggml-org/llama.cpp, tools/server/server-models.cpp: the process of one model of several is gone',
  },
  ...COMMON_RULES,
];
