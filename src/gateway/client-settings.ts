/** The settings with which the clients of an API call a gateway. */
export interface ClientSettings {
  /** Whose clients: `OpenAI`. */
  readonly api: string;
  /** The variables that they know, with their values. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The variables by which the published clients of each API find their server. The names are those clients'
 * own. The clients insist on a key; the gateway looks at it only where it has tokens.
 */
function clientSettings(url: string, key = 'any'): ClientSettings[] {
  return [
    { api: 'OpenAI', variables: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: key } },
    { api: 'Anthropic', variables: { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: key } },
    { api: 'Ollama', variables: { OLLAMA_HOST: url } },
  ];
}

/** The same as lines for a shell, one for each API. */
export function clientLines(url: string): string[] {
  return clientSettings(url).map(({ variables }) => {
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return `export ${words.join(' ')}`;
  });
}
