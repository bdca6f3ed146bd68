/** An answer, and the thinking before it. */
export interface SplitText {
  readonly answer: string;
  readonly thinking: string;
}

/** How a model marks its thinking in the text, where the server does not tell the two apart. */
interface TagFormat {
  readonly open: string;
  readonly close: string;
  /** Which models do it so. */
  readonly source: string;
}

/** Every known pair of tags. Harmony, which is not in this form, is below. */
export const THINKING_TAGS: readonly TagFormat[] = [
  { open: '<think>', close: '</think>', source: 'DeepSeek R1, Qwen3; LM Studio without its parser' },
  { open: '<thinking>', close: '</thinking>', source: 'RooCodeInc/Roo-Code#8522; models asked to think so' },
  { open: '<seed:think>', close: '</seed:think>', source: 'ByteDance Seed-OSS' },
  { open: '[THINK]', close: '[/THINK]', source: 'Mistral Magistral: RooCodeInc/Roo-Code#8522' },
  { open: '<|channel>thought', close: '<channel|>', source: 'Gemma 4: ollama, model/parsers/gemma4.go' },
];

/**
 * Splits thinking off the beginning of an answer: `<think>…</think>` and the other THINKING_TAGS, also
 * several in a row, and the channels of gpt-oss (harmony). Thinking that was never closed leaves an empty
 * answer.
 *
 * A template may give the model the opening tag, so that only the closing one comes. That one counts only on
 * a line of its own, and only where the opening one is nowhere, because an answer may speak about the tags.
 * So an answer that merely mentions a tag stays as it is.
 */
export function splitThinking(content: string): SplitText {
  return (
    splitHarmony(content) ?? splitOpened(content) ?? splitClosed(content) ?? { answer: content, thinking: '' }
  );
}

/** From an opening tag at the beginning on. */
function splitOpened(content: string): SplitText | null {
  const thoughts: string[] = [];
  let at = skipSpace(content, 0);
  for (;;) {
    const tag = THINKING_TAGS.find(({ open }) => content.startsWith(open, at));
    if (tag === undefined) break;
    const start = at + tag.open.length;
    const close = content.indexOf(tag.close, start);
    if (close === -1) return joined([...thoughts, content.slice(start)], '');
    thoughts.push(content.slice(start, close));
    at = skipSpace(content, close + tag.close.length);
  }
  return thoughts.length === 0 ? null : joined(thoughts, content.slice(at));
}

/** Up to a closing tag on a line of its own. */
function splitClosed(content: string): SplitText | null {
  for (const { open, close } of THINKING_TAGS) {
    if (content.includes(open)) continue;
    for (let at = content.indexOf(close); at !== -1; at = content.indexOf(close, at + close.length)) {
      const end = endOfLine(content, at + close.length);
      if (end === null || (at > 0 && content[at - 1] !== '\n')) continue;
      return joined([content.slice(0, at)], content.slice(end).trimStart());
    }
  }
  return null;
}

/** Where the next line begins, if nothing but blanks is left of this one. */
function endOfLine(content: string, from: number): number | null {
  let at = from;
  while (content[at] === ' ' || content[at] === '\t' || content[at] === '\r') at += 1;
  if (at === content.length) return at;
  return content[at] === '\n' ? at + 1 : null;
}

/**
 * The head of a message of harmony, the format of gpt-oss (github.com/openai/harmony):
 * `<|start|>assistant<|channel|>analysis<|message|>`, of which servers leave out the beginning; in a channel
 * `commentary` also whom it is for, and `<|constrain|>json`.
 */
const HARMONY_HEAD =
  /(?:<\|start\|>assistant)?<\|channel\|>(analysis|commentary|final)(?: to=[\w.]{1,64})?(?: ?<\|constrain\|>\w{1,16})?<\|message\|>/y;

/** What ends a message that is not the answer. */
const HARMONY_END = /<\|end\|>|<\|call\|>|<\|return\|>|<\|start\|>|<\|channel\|>/g;

const HARMONY_END_OF_ANSWER = ['<|return|>', '<|end|>'];

/**
 * What is left of harmony where a server removes its marks and leaves the words between them:
 * `analysisThe user asks …assistantfinalfour` (Augustas11/macprovider#743).
 */
const BARE_ANALYSIS = /^analysis(?=[\p{Lu}"'])/u;
const BARE_FINAL = 'assistantfinal';

/** The channel `final` is the answer, the others are thinking. Null where it does not begin as harmony. */
function splitHarmony(content: string): SplitText | null {
  const thoughts: string[] = [];
  let at = skipSpace(content, 0);
  const bare = BARE_ANALYSIS.exec(content);
  const final = bare === null ? -1 : content.indexOf(BARE_FINAL);
  if (bare !== null && final !== -1) {
    return joined([content.slice(bare[0].length, final)], content.slice(final + BARE_FINAL.length));
  }
  for (let messages = 0; ; messages++) {
    HARMONY_HEAD.lastIndex = at;
    const head = HARMONY_HEAD.exec(content);
    // After the thinking, a server may have removed the head of the answer.
    if (head === null) return messages === 0 ? null : joined(thoughts, content.slice(at));
    const start = at + head[0].length;
    if (head[1] === 'final') return joined(thoughts, withoutEnd(content.slice(start)));
    HARMONY_END.lastIndex = start;
    const end = HARMONY_END.exec(content);
    if (end === null) return joined([...thoughts, content.slice(start)], '');
    thoughts.push(content.slice(start, end.index));
    const isHead = end[0] === '<|start|>' || end[0] === '<|channel|>';
    at = isHead ? end.index : skipSpace(content, end.index + end[0].length);
  }
}

function withoutEnd(answer: string): string {
  const text = answer.trimEnd();
  const end = HARMONY_END_OF_ANSWER.find((one) => text.endsWith(one));
  return end === undefined ? answer : text.slice(0, -end.length);
}

function skipSpace(text: string, from: number): number {
  const rest = /\S/g;
  rest.lastIndex = from;
  return rest.exec(text)?.index ?? text.length;
}

function joined(thoughts: readonly string[], answer: string): SplitText {
  const said = thoughts.map((thought) => thought.trim()).filter((thought) => thought !== '');
  return { answer, thinking: said.join('\n\n') };
}
