import type { ServerResponse } from 'node:http';
import { defaultAnswer } from './default-answer.js';
import { fitPrompt } from './fit-prompt.js';
import type { Behaviour, StandInRequest } from './stand-in-request.js';
import type { AnyPiece, Piece, Plain, ToolPiece, Turn, Wire } from './wire.js';

/** A request, and how it is to be answered. */
interface Played {
  readonly wire: Wire;
  readonly request: StandInRequest;
  readonly behaviour: Behaviour;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /**
   * The context of the model, in tokens; null: the server does not know the model, and nothing bounds it.
   */
  readonly context: number | null;
  /** The server knows neither `truncate` nor `shift`. */
  readonly isOld: boolean;
}

/** Answers one request as `behaviour` says. Resolves once the response is over, whole or not. */
export async function playTurn(played: Played, response: ServerResponse): Promise<void> {
  const { wire, behaviour, isOld, startedAtMs } = played;
  if (behaviour.refuse !== undefined) {
    return sendPlain(response, wire.refuse(behaviour.refuse, played.request));
  }
  const context = played.context ?? Number.POSITIVE_INFINITY;
  const fitted = fitPrompt(played.request, context, isOld);
  if (!fitted.fits) return sendPlain(response, wire.overflow(fitted.promptTokens, context));
  const { request, promptTokens } = fitted;
  const whole = piecesOf(request, behaviour);
  // Where the context is full, an old server pushes the prompt out of it and goes on.
  const room = request.shift || isOld ? whole.length : context - promptTokens;
  const pieces = whole.slice(0, room);
  const turn = turnOf(request, behaviour, {
    promptTokens,
    completionTokens: pieces.length,
    isFull: pieces.length < whole.length,
    startedAtMs,
  });
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  if (request.stream && behaviour.headersAtOnce === true) startStream(response, wire);
  await Promise.race([behaviour.firstTokenAfter, gone]);
  if (response.destroyed) return;
  if (!request.stream) return sendPlain(response, wire.whole(pieces, turn));
  startStream(response, wire);
  const stream = wire.stream(turn);
  await write(response, stream.begin());
  for (let sent = 0; sent <= pieces.length; sent++) {
    if (behaviour.pause?.afterChunks === sent) await Promise.race([behaviour.pause.until, gone]);
    if (response.destroyed) return;
    if (behaviour.fault?.afterChunks === sent) return breakOff(wire, behaviour.fault, response);
    const piece = pieces[sent];
    if (piece !== undefined) await behaviour.beforeChunk?.(sent);
    if (piece !== undefined) await write(response, stream.piece(piece));
  }
  while (behaviour.endless !== undefined && !response.destroyed) {
    await write(response, stream.piece(behaviour.endless));
  }
  if (response.destroyed) return;
  await write(response, stream.end());
  response.end();
}

/** Sends a response that is not a stream. */
export function sendPlain(response: ServerResponse, plain: Plain): void {
  const wait = plain.retryAfter === undefined ? {} : { 'retry-after': plain.retryAfter };
  response.writeHead(plain.status, { 'content-type': plain.contentType, ...wait }).end(plain.body);
}

function startStream(response: ServerResponse, wire: Wire): void {
  if (response.headersSent) return;
  response.writeHead(200, { 'content-type': wire.streamType });
  response.flushHeaders();
}

async function breakOff(
  wire: Wire,
  fault: NonNullable<Behaviour['fault']>,
  response: ServerResponse,
): Promise<void> {
  if (fault.kind === 'die') {
    response.destroy();
    return;
  }
  if (fault.kind === 'error') await write(response, wire.error(fault.message));
  if (fault.kind === 'malformed') await write(response, wire.malformed);
  if (fault.kind === 'cut') await write(response, wire.malformed.trimEnd());
  if (fault.kind === 'alien') await write(response, wire.alien);
  response.end();
}

/** Waits until the system has taken the text, so that the next text goes out in a packet of its own. */
async function write(response: ServerResponse, text: string): Promise<void> {
  if (text === '') return;
  await new Promise<void>((resolve) => response.write(text, () => resolve()));
}

/**
 * The pieces of all answers that were asked for: each token of all of them in turn, as servers send them.
 */
function piecesOf(request: StandInRequest, behaviour: Behaviour): AnyPiece[] {
  const one = piecesOfOne(request, behaviour);
  if (request.choices === 1) return one;
  return one.flatMap((piece) =>
    Array.from({ length: request.choices }, (_, choice): AnyPiece => ({ ...piece, choice })),
  );
}

function piecesOfOne(request: StandInRequest, behaviour: Behaviour): AnyPiece[] {
  const calls = callsOf(request, behaviour);
  const answer = behaviour.answer ?? (calls.length === 0 ? defaultAnswer(request) : '');
  const thinking = behaviour.thinking ?? '';
  const cut = (kind: Piece['kind'], text: string) => split(kind, text, behaviour.pieceChars);
  if (behaviour.rawThinkTags === true) {
    return [...cut('answer', `<think>\n${thinking}\n</think>\n\n${answer}`), ...calls];
  }
  return [
    ...cut('thinking', thinking),
    ...cut(behaviour.answerAsReasoning === true ? 'thinking' : 'answer', answer),
    ...calls,
  ];
}

/** The calls of a turn, their arguments in pieces; none where the request offers no tools. */
function callsOf(request: StandInRequest, behaviour: Behaviour): ToolPiece[] {
  if (request.tools.length === 0) return [];
  return (behaviour.toolCalls ?? []).flatMap((call, index) => {
    const whole = typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments);
    const { name, id = `call_stand_in_${index}` } = call;
    const texts = cutAfter(whole, behaviour.pieceChars ?? ARGUMENT_CHARS);
    return (texts.length === 0 ? [''] : texts).map((text, at): ToolPiece => {
      return { kind: 'tool', text, index, id, name, whole, isFirst: at === 0 };
    });
  });
}

/** How many characters of the arguments a piece of a call has. */
const ARGUMENT_CHARS = 5;

/**
 * Cuts a text into pieces of `chars` characters; without a number, into words with the white space after
 * them. A single word is cut in two, so that every answer has several chunks.
 */
function split(kind: Piece['kind'], text: string, chars: number | undefined): Piece[] {
  const words = text.match(/\S+\s*|\s+/g) ?? [];
  const byWord = words.length === 1 ? [text.slice(0, 1), text.slice(1)] : words;
  const parts = chars === undefined ? byWord : cutAfter(text, chars);
  return parts.filter((part) => part !== '').map((part) => ({ kind, text: part }));
}

function cutAfter(text: string, chars: number): string[] {
  return Array.from({ length: Math.ceil(text.length / chars) }, (_, at) =>
    text.slice(at * chars, (at + 1) * chars),
  );
}

function turnOf(
  request: StandInRequest,
  behaviour: Behaviour,
  counted: { promptTokens: number; completionTokens: number; isFull: boolean; startedAtMs: number },
): Turn {
  return {
    model: behaviour.model ?? request.model,
    finishReason: behaviour.finishReason ?? (counted.isFull ? 'length' : 'stop'),
    promptTokens: behaviour.usage?.promptTokens ?? counted.promptTokens,
    completionTokens: behaviour.usage?.completionTokens ?? counted.completionTokens,
    includeUsage: request.includeUsage,
    choices: request.choices,
    logprobs: request.logprobs,
    callsTools: !counted.isFull && callsOf(request, behaviour).length > 0,
    startedAtMs: counted.startedAtMs,
  };
}
