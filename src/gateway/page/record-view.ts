import { element } from './element.js';
import { get, post, type Record_ } from './gateway.js';
import { local, onBridge, wordsOf } from './view.js';
import { say, type Word } from './words.js';

/** One task as it stands in the record, with its commits. */
export async function openRecord(id: string): Promise<HTMLElement> {
  const record = await get<Record_>(`/page/task/${encodeURIComponent(id)}`);
  const { answer } = record;
  const error = answer?.error ?? null;
  return element(
    'section',
    // An open task has this attribute: page.ts shows it again once its answer is there.
    { 'aria-label': say('record'), 'data-open': answer === null ? record.task : undefined },
    element('h2', {}, `${say('record')} ${record.task.slice(0, 8)}`),
    element(
      'dl',
      {},
      pair('commit', record.task),
      pair('asker', `${onBridge(record.asker, record)}, ${local(record.asked_at)}`),
      answer !== null && pair('agent', `${answer.agent}, ${local(answer.created_at)}`),
      answer !== null && pair('model', answer.model ?? ''),
      answer !== null && pair('commit', answer.commit),
    ),
    element('h3', {}, `${say('question')} (${record.file})`),
    block(record.text ?? say('tooLong')),
    element('h3', {}, say('answer')),
    answer?.thinking !== undefined &&
      element('details', {}, element('summary', {}, say('thinking')), block(answer.thinking)),
    error !== null && element('p', { class: 'problem' }, `${error.code}: ${error.message}`),
    answer === null ? cancelButton(record.task) : block(answer.answer ?? ''),
    element('h3', {}, say('gitCommand')),
    block(record.git),
  );
}

function cancelButton(task: string): HTMLElement {
  const said = element('p', { class: 'hint', role: 'status' }, say('none'));
  const cancel = async () => {
    said.textContent = await post('/page/cancel', { task }).then(() => say('cancelled'), wordsOf);
  };
  return element(
    'div',
    {},
    said,
    element('button', { type: 'button', onclick: () => void cancel() }, say('cancelTask')),
  );
}

function pair(head: Word, text: string): HTMLElement[] {
  return [element('dt', {}, say(head)), element('dd', {}, text)];
}

function block(text: string): HTMLElement {
  return element('pre', { tabindex: '0' }, text);
}
