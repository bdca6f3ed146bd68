import type { MiddlewareFunction } from 'yargs';
import { BridgeError } from '../protocol/bridge-error.js';

/** What is needed of yargs here; `getOptions` is public there, but not in its types. */
interface DeclaredOptions {
  readonly key: Readonly<Record<string, unknown>>;
  readonly boolean: readonly string[];
  readonly array: readonly string[];
}

/** yargs' own options, which no variable stands for: an image that sets LLM_BRIDGE_VERSION must not print a version. */
const NOT_SETTABLE = ['help', 'version', 'h'];

/**
 * A yargs middleware: an option of the running command that the command line does not give is taken from
 * `LLM_BRIDGE_<OPTION>`. Only its own options are looked for. yargs' own `.env()` makes an option of every variable with the
 * prefix, and its strict mode then refuses LLM_BRIDGE_DEBUG, or an agent's LLM_BRIDGE_MODEL when `status` is run. An empty
 * variable counts as unset. Throws BridgeError `usage` for a switch that is neither on nor off.
 */
export function optionsFromEnvironment(env: NodeJS.ProcessEnv): MiddlewareFunction {
  const fill = (args: Record<string, unknown>, yargs: unknown): void => {
    const declared = (yargs as { getOptions(): DeclaredOptions }).getOptions();
    for (const name of Object.keys(declared.key)) {
      if (args[name] !== undefined || NOT_SETTABLE.includes(name)) continue;
      const variable = `LLM_BRIDGE_${name.toUpperCase().replaceAll('-', '_')}`;
      const text = env[variable];
      if (text === undefined || text === '') continue;
      const value = declared.boolean.includes(name)
        ? readSwitch(variable, text)
        : declared.array.includes(name)
          ? [text]
          : text;
      args[name] = value;
      args[camelCase(name)] = value;
    }
  };
  // yargs calls a middleware with itself as the second argument, which its types leave out.
  return fill as unknown as MiddlewareFunction;
}

function readSwitch(variable: string, text: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off)$/i.test(text)) return false;
  throw new BridgeError(`${variable} is ${JSON.stringify(text.slice(0, 64))}, which is neither on nor off`, {
    code: 'usage',
    remedy: `${variable}=true or ${variable}=false`,
  });
}

function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_dash, char: string) => char.toUpperCase());
}
