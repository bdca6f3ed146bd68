import { BridgeError } from '../protocol/bridge-error.js';
import { camelCase, type Option, variableOf } from './option.js';

/**
 * Takes from the environment what the command line does not give, for the options of the command that runs
 * and no others: yargs' own `.env()` makes an option of every variable with the prefix, and its strict mode
 * then refuses LLM_BRIDGE_DEBUG, or an agent's LLM_BRIDGE_MODEL when `status` is run. An empty variable
 * counts as unset. Throws BridgeError `usage` for a switch that is neither on nor off.
 */
export function fillFromEnvironment(
  given: Record<string, unknown>,
  options: readonly Option[],
  env: NodeJS.ProcessEnv,
): void {
  for (const one of options) {
    if (!one.hasVariable || one.names.some((name) => given[name] !== undefined)) continue;
    for (const name of one.names) {
      const variable = variableOf(name);
      const text = env[variable];
      if (text === undefined || text === '') continue;
      const value = one.kind === 'switch' ? readSwitch(variable, text) : one.isRepeatable ? [text] : text;
      given[name] = value;
      given[camelCase(name)] = value;
    }
  }
}

function readSwitch(variable: string, text: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off)$/i.test(text)) return false;
  throw new BridgeError(`${variable} is ${JSON.stringify(text.slice(0, 64))}, which is neither on nor off`, {
    code: 'usage',
    remedy: `${variable}=true or ${variable}=false`,
  });
}
