import { COMMON_RULES, type FailureRule } from '../failure-rules.js';

/**
 * How Ollama fails. Each `source` names the file of github.com/ollama/ollama that has the wording, or an
 * issue there. A version stands where a newer one no longer has the wording.
 */
export const OLLAMA_FAILURES: readonly FailureRule[] = [
  {
    kind: 'final',
    wording: /out of (?:device )?memory|(?:cuda|hip)Malloc failed|(?:not enough|insufficient) memory/i,
    source: 'llm/status.go, outOfMemorySubstrings; #9782',
  },
  {
    kind: 'final',
    wording: /failed to allocate|allocation failed|out_?of_?device_?memory/i,
    source: 'llm/status.go, outOfMemorySubstrings',
  },
  {
    kind: 'final',
    wording: /requires more system memory|unable to load full model on GPU/,
    source: 'llm/server.go, v0.9.6 and now',
  },
  {
    kind: 'final',
    wording: /error loading model|unable to load model|unknown model architecture/,
    source: 'llm/status.go; the file of the model, or its kind, is none that this version takes',
  },
  {
    kind: 'final',
    wording: /(?:may be incompatible|no longer compatible) with your version of Ollama/,
    source: 'server/sched.go, server/routes.go',
  },
  {
    kind: 'busy',
    wording: /server busy|maximum pending requests exceeded|server overloaded/i,
    source: 'server/sched.go, ErrMaxQueue: 503, once 500; #4124, #7573, #15934',
  },
  {
    kind: 'busy',
    wording: /no slots available|server status: llm server (?:loading model|launched)/,
    source: 'llm/server.go, ServerStatus; #4159, #4545',
  },
  {
    kind: 'lost',
    wording: /(?:llama runner|llama-server) process (?:has terminated|no longer running)/,
    source: 'llm/llama_server.go; llm/server.go, v0.9.6; #8689, #8770',
  },
  {
    kind: 'lost',
    wording: /model runner has unexpectedly stopped/,
    source: 'llm/llama_server.go; llm/server.go, v0.9.6',
  },
  {
    kind: 'lost',
    wording: /timed out waiting for (?:llama runner|llama-server) to start/,
    source: 'llm/llama_server.go; llm/server.go, v0.9.6; #4131, #6092, #10517',
  },
  {
    kind: 'lost',
    wording: /unexpected server status|server not responding/,
    source: 'llm/llama_server.go; llm/server.go, v0.9.6',
  },
  {
    kind: 'lost',
    wording: /an error was encountered while running the model|error reading (?:llm|llama-server)/,
    source: 'llm/llama_server.go; llm/server.go, v0.9.6',
  },
  ...COMMON_RULES,
];
