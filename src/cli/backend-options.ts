import type { Options } from 'yargs';
import * as z from 'zod';

const text = { type: 'string', requiresArg: true, group: 'The agent:' } as const;

/** The options by which `agent` and `doctor` find the model server and the state folder. */
export const BACKEND_OPTIONS: Record<
  'backend' | 'model' | 'ollama-url' | 'lmstudio-url' | 'state-dir',
  Options
> = {
  backend: {
    ...text,
    describe: 'ollama, lmstudio, or the order to try them in: lmstudio,ollama. Default: auto, Ollama first',
  },
  model: { ...text, describe: 'The model for tasks that name none. Default: the first that is installed' },
  'ollama-url': { ...text, describe: 'Where Ollama listens. Default: http://127.0.0.1:11434' },
  'lmstudio-url': { ...text, describe: 'Where LM Studio listens. Default: http://127.0.0.1:1234/v1' },
  'state-dir': {
    ...text,
    describe: 'The folder for what the agent keeps. Default: one for each bridge, with the data of programs',
  },
};

/** The same, as readOptions reads them. */
export const backendArgs = {
  backend: z
    .string()
    .default('auto')
    .transform((order) => (order === 'auto' ? 'ollama,lmstudio' : order).split(','))
    .pipe(
      z.array(
        z.enum(['ollama', 'lmstudio'], {
          error: 'must be auto, ollama, lmstudio, or an order: lmstudio,ollama',
        }),
      ),
    ),
  model: z.string().min(1).optional(),
  ollamaUrl: z.string().optional(),
  lmstudioUrl: z.string().optional(),
  stateDir: z.string().min(1).optional(),
};
