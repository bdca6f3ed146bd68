import { COMMON_RULES, type FailureRule } from '../failure-rules.js';

/** How LM Studio fails. The numbers are of lmstudio-ai/lmstudio-bug-tracker, unless another is named. */
export const LMSTUDIO_FAILURES: readonly FailureRule[] = [
  {
    kind: 'final',
    wording: /insufficient system resources|not enough resources/i,
    source: '#927, #1038, #1562: what its guardrails say of a model that does not fit',
  },
  {
    kind: 'final',
    wording: /out of memory|(?:failed|unable) to allocate|cudaMalloc failed/i,
    source: '#790, #2295',
  },
  {
    kind: 'final',
    wording: /error loading model|failed to load|exited before becoming healthy/i,
    source: '#417, #1170, #1223, #2190: of a model that this version or this PC cannot load',
  },
  {
    kind: 'busy',
    wording: /loading model|model is (?:still )?loading/i,
    source: 'tools/server of ggml-org/llama.cpp, its engine: 503 until the model is loaded',
  },
  {
    kind: 'lost',
    wording: /model (?:is |was |has been )?(?:un|re)loaded/i,
    source:
      '#671, #1492, #1796: "Model unloaded.", "Model is unloaded.", "Model reloaded.", by another request',
  },
  {
    kind: 'lost',
    wording: /model has crashed/i,
    source: '#932, #1057, #1347: "The model has crashed without additional information."',
  },
  {
    kind: 'lost',
    wording: /channel error/i,
    source: '#1347: what is left of a crash between its processes',
  },
  ...COMMON_RULES,
];
