/** A fenced block of a Markdown text. */
export interface CodeBlock {
  /** The first word after the fence: `sh`. */
  readonly language: string;
  /** The words after it: `server`. */
  readonly info: string;
  readonly text: string;
  /** The number of the line of the fence, from 1. */
  readonly line: number;
}

/** Every fenced block of a Markdown text, in order. Throws where one is not closed. */
export function readCodeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^```(\S*) *(.*)$/.exec(lines[at] ?? '');
    if (fence === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`the block of line ${at + 1} is not closed`);
    const [, language = '', info = ''] = fence;
    blocks.push({ language, info, text: lines.slice(at + 1, end).join('\n'), line: at + 1 });
    at = end;
  }
  return blocks;
}

/** The text under a heading, up to the next heading of any level. Throws where there is no such heading. */
export function sectionOf(markdown: string, heading: string): string {
  const lines = markdown.split('\n');
  const start = lines.findIndex((line) => line.replace(/^#+ /, '') === heading && line.startsWith('#'));
  if (start < 0) throw new Error(`there is no heading "${heading}"`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line));
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

/** The first cell of every table row in a text, without heads and rules. */
export function firstCells(markdown: string): string[] {
  const isRule = (line: string | undefined) => /^\|[-| ]+\|$/.test(line ?? '');
  return markdown
    .split('\n')
    .filter((line, index, all) => line.startsWith('| ') && !isRule(line) && !isRule(all[index + 1]))
    .map((line) => (line.slice(2).split(/(?<!\\)\|/)[0] ?? '').trim());
}
