import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { findChromium, openPage, startBrowser } from '../support/browser.js';
import { runCli, startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { anAnswer, messageWriter } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';

// The pictures of the page in docs: npm run pictures. Nothing is taken where nobody says into which folder.

const { PAGE_PICTURES: folder = '' } = process.env;
const chromium = folder === '' ? null : await findChromium();

const ASKERS = ['bot', 'phone'];
const MODELS = ['llama3.2:latest', 'qwen3:8b'];
const HOURS = 100;

const POEM = `The git log keeps what the night has said,
a question goes, an answer comes to bed.`;
const QUESTIONS: Readonly<Record<string, string>> = {
  'Write two lines about git at night.': POEM,
  'How many answers are there in a day?': 'As many as there were questions: each one is a commit of its own.',
};

const STORY = 'Tell me a story without end';
/** More words than are said while the pictures are taken. */
const LONG = Array.from({ length: 2_000 }, (_, at) => `night ${at + 1},`).join(' ');

const soon = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });

test.skipIf(chromium === null)('the pictures of the page are taken', async () => {
  const bridge = await startBridgeFixture();
  await writeDays();
  const standIn = await startStandIn({
    // As slow as a model at home, so that there are figures to show.
    behave: ({ question }) => ({
      ...(QUESTIONS[question] === undefined
        ? {}
        : { answer: QUESTIONS[question], thinking: 'Two lines, then.' }),
      ...(question === STORY ? { answer: LONG } : {}),
      beforeChunk: () => sleep(30),
    }),
  });
  onCleanup(() => standIn.close());
  const agent = await startAgent(bridge, standIn, { state: 'pictures' });
  await agent.waitFor('stderr', /connected to/);
  const ask = (...words: string[]) =>
    runCli(['ask', '--no-wait', ...words, '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
  await ask('What is 12 * 12?');
  await ask('Summarise the minutes', '--model', 'a-model-of-nobody');
  await soon(async () => (await bridge.answersLog()).length).toBeGreaterThan(HOURS + 1);
  const serve = await startCli(['serve', '--repo', bridge.repoPath, '--listen', '127.0.0.1:0'], {
    env: bridge.ownerEnv,
  });
  const [, url = ''] = await serve.waitFor('stderr', /listening on (\S+)/);
  const browser = await startBrowser(chromium ?? '');
  const taken: string[] = [];
  await mkdir(folder, { recursive: true });
  const take = async (page: Page, name: string) => {
    taken.push(name);
    await page.screenshot({ path: join(folder, `page-${name}.png`) });
  };
  const viewport = { width: 900, height: 720 };

  const { page, faults } = await openPage(browser, url, { viewport });
  for (const question of Object.keys(QUESTIONS)) {
    await page.getByLabel('Message').fill(question);
    await page.getByRole('button', { name: 'Send' }).click();
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe(QUESTIONS[question]);
  }
  await soon(() => page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(false);
  await page.evaluate('document.activeElement?.blur(); scrollTo(0, 0)');
  await take(page, 'chat');

  const leaving = new AbortController();
  onCleanup(() => leaving.abort());
  const story = { model: 'llama3.2', messages: [{ role: 'user', content: STORY }], stream: true };
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(story), signal: leaving.signal };
  await fetch(`${url}/v1/chat/completions`, init);
  for (const question of ['Translate: good night', 'What is 7 * 6?']) await ask(question);
  await page.getByRole('link', { name: 'Tasks' }).click();
  const tasks = page.getByRole('table', { name: 'Tasks' });
  await soon(() => tasks.textContent()).toMatch(/\d tokens\/s/);
  await soon(() => tasks.textContent()).toContain('7 * 6');
  await take(page, 'tasks');

  await page.getByRole('link', { name: /12 \* 12/ }).click();
  await soon(() => page.getByRole('heading', { name: /^Record/ }).count()).toBe(1);
  // Of the temporary folder nobody learns anything.
  await page.evaluate((at) => {
    const place = globalThis as unknown as { document: { body: { innerHTML: string } } };
    const { body } = place.document;
    body.innerHTML = body.innerHTML.replaceAll(at, '/srv/llm-bridge/bridge.git');
  }, bridge.repoPath);
  await take(page, 'record');
  await page.reload();
  await page.getByRole('link', { name: 'Charts' }).click();
  await soon(() => page.locator('canvas').count()).toBe(4);
  await take(page, 'charts');
  expect(faults).toEqual([]);

  const small = { viewport: { width: 390, height: 700 }, locale: 'ru-RU', colorScheme: 'dark' } as const;
  const { page: phone } = await openPage(browser, `${url}/#tasks`, small);
  await soon(() => phone.getByRole('table').textContent()).toContain('7 * 6');
  await take(phone, 'phone');
  expect(taken).toHaveLength(5);

  /** An answer an hour of the last days, by two models to two askers. */
  async function writeDays(): Promise<void> {
    const write = messageWriter(bridge.repoPath, bridge.ownerEnv);
    let tip = (
      await gitOk(['rev-parse', MAIN_REF], { gitDir: bridge.repoPath, env: bridge.ownerEnv })
    ).trim();
    for (let hour = HOURS; hour > 0; hour -= 1) {
      const pick = (hour * 7) % 12;
      const prompt = `What is ${hour} + ${pick}?`;
      const latency_ms = 2_000 + pick * 400;
      const at = -3600 * hour;
      const author = ASKERS[pick % 2] ?? '';
      const wait = Math.ceil(latency_ms / 1000) + (pick % 4);
      const task = await write.ask(tip, prompt, { secondsFromNow: at, author });
      const answer = anAnswer(task, prompt, {
        ...{ answer: String(hour + pick), model: MODELS[pick % 3 === 0 ? 1 : 0] ?? '', latency_ms },
        created_at: new Date(Date.now() + (at + wait) * 1000).toISOString(),
        usage: { prompt_tokens: 20, completion_tokens: 60 + pick * 9 },
      });
      tip = await write.answer(task, answer, { secondsFromNow: at + wait, author: 'home-pc' });
    }
    await gitOk(['update-ref', MAIN_REF, tip], { gitDir: bridge.repoPath, env: bridge.ownerEnv });
    await runCli(['ingest', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  }
});
