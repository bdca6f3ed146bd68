/** The part of the gateway's answers that the page shows; `page-data.ts` of the gateway has all of it. */
export interface State {
  readonly now: string;
  readonly attendance: { readonly problem: string | null };
  readonly tasks: readonly Task[];
  readonly counts: { readonly pending: number; readonly running: number };
  readonly agents: readonly Agent[];
  readonly models: readonly Model[];
  /** Where there are several: each, and why it cannot be read now; null where it can. */
  readonly bridges: readonly { readonly name: string; readonly problem: string | null }[];
}

/** The bridge that something comes from, where there are several. */
interface OfBridge {
  readonly bridge?: string;
}

export interface Task extends OfBridge {
  readonly task: string;
  readonly state: 'pending' | 'running' | 'done' | 'error' | 'cancelled' | 'expired';
  readonly asker: string;
  readonly asked_at: string;
  /** Null where it has no answer. */
  readonly answered_at: string | null;
  readonly question: string;
  readonly agent: string | null;
  readonly answer: string | null;
  readonly work: {
    readonly model: string | null;
    readonly since: string | null;
    readonly phase: string | null;
  } | null;
  /** Whom it waits for; null where it is not pending. Times are ISO 8601. */
  readonly waiting: {
    readonly agents: readonly Waited[];
    readonly waking_by: string | null;
    readonly standby: { readonly name: string; readonly at: string } | null;
  } | null;
  readonly place: number | null;
  readonly about_ms: number | null;
  readonly tokens_per_s: number | null;
}

/** An agent that a task waits for; `there`: it is about to take it. */
export interface Waited {
  readonly name: string;
  readonly state: 'there' | 'busy' | 'no-model-server' | 'away';
  readonly seen_at: string | null;
}

export interface Agent extends OfBridge {
  readonly name: string;
  readonly state: 'running' | 'stopped' | 'gone';
  readonly age_ms: number;
  readonly backends: readonly string[];
  readonly busy: readonly string[];
}

export interface Model {
  readonly name: string;
  readonly can: readonly string[];
  readonly agents: readonly string[];
  readonly loadedUntilMs: number | null;
}

/** The names of the models that can chat, or of which nobody says what they can do. */
export function chatModels(models: readonly Model[]): string[] {
  return models.filter(({ can }) => can.length === 0 || can.includes('chat')).map(({ name }) => name);
}

export interface Answered extends OfBridge {
  readonly commit: string;
  readonly task_commit: string;
  readonly task_text?: string;
  readonly answer: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly model: string | null;
  readonly agent: string;
  readonly created_at: string;
  readonly thinking?: string;
}

export interface Record_ extends OfBridge {
  readonly task: string;
  readonly asker: string;
  readonly asked_at: string;
  readonly file: string;
  readonly text: string | null;
  readonly answer: Answered | null;
  readonly git: string;
}

export interface Hour {
  readonly at: number;
  readonly answers: number;
  readonly wait_s: number | null;
  readonly generate_s: number | null;
  readonly tokens_per_s: number | null;
}

export interface StatsRow {
  readonly name: string | null;
  readonly answers: number;
  readonly errors: number;
  readonly tokens: number;
  readonly wait_s: number | null;
  readonly tokens_per_s: number | null;
}

export interface Stats {
  readonly by: Readonly<Record<'model' | 'asker' | 'agent' | 'day', readonly StatsRow[]>>;
}

/** A call that the gateway refused: its status, and its words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** Reads something of the gateway. Throws Refused, or TypeError where the gateway is away. */
export async function get<T>(path: string): Promise<T> {
  return (await checked(await fetch(path))) as T;
}

/** Has the gateway do something. Throws as `get`. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  return (await checked(await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }))) as T;
}

/** The body of a response. Throws Refused where it is an error. */
export async function checked(response: Response): Promise<unknown> {
  const value: unknown = await response.json().catch(() => null);
  if (response.ok) return value;
  throw new Refused(response.status, messageOf(value) ?? `HTTP ${response.status}`, codeOf(value));
}

/** The words of an error body, in whichever API's form. */
export function messageOf(body: unknown): string | null {
  const { error } = (body ?? {}) as { error?: string | { message?: string } };
  return (typeof error === 'string' ? error : error?.message) ?? null;
}

/** The code of an error body; null where it has none. */
export function codeOf(body: unknown): string | null {
  return (body as { error?: { code?: string | null } } | null)?.error?.code ?? null;
}
