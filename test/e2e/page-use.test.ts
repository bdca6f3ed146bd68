import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { inTurn } from '../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { gate } from '../support/bridge-agent.js';
import { findChromium, openPage } from '../support/browser.js';
import { startServedPage } from '../support/served-page.js';

// What a person does on the page of `serve` while it reads the bridge again and answers come.

/** As `expect.poll`, for as long as a busy machine may take. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });

const chromium = await findChromium();
const title = chromium === null ? ' (skipped: there is no Chromium in the PATH)' : '';

describe.skipIf(chromium === null)(`whoever uses the page${title}`, () => {
  let standIn: StandIn;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    ({ standIn, browser, url } = await startServedPage(chromium ?? ''));
  });

  /** Has a program ask, and waits for the answer. */
  async function call(question: string): Promise<void> {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: question }] }),
    });
    expect(response.status).toBe(200);
  }

  /** The page has read the bridge twice, and has shown what it read first. */
  async function readTwice(page: Page): Promise<void> {
    for (let times = 0; times < 2; times += 1)
      await page.waitForResponse((response) => response.url().endsWith('/page/state'));
  }

  const focused = (page: Page) => page.evaluate('document.activeElement?.textContent');
  const lastAnswer = (page: Page) => page.locator('.turns .assistant .text').last().textContent();

  /** The chat is there: what the page begins with is over. */
  const isOpen = (page: Page) => soon(() => page.getByLabel('Message').count()).toBe(1);

  /** The answer is over, and the next question is taken. */
  const isOver = (page: Page) =>
    soon(() => page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(false);

  const ask = async (page: Page, question: string) => {
    await page.getByLabel('Message').fill(question);
    await page.keyboard.press('Enter');
  };

  test('keeps the focus on a question and what is selected, while the list is read again and grows', async () => {
    await call('the first of all');
    const { page } = await openPage(browser, `${url}/#tasks`);
    const link = page.getByRole('link', { name: 'the first of all' });
    await link.focus();
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('tbody td + td'))");
    await readTwice(page);
    expect(await page.evaluate('String(getSelection())')).toContain('the first of all');
    await call('the second');
    await soon(() => page.getByRole('table', { name: 'Tasks' }).textContent()).toContain('the second');
    const rows = await page.locator('tbody tr').allTextContents();
    expect(rows.findIndex((row) => row.includes('the second'))).toBe(0);
    expect(await focused(page)).toBe('the first of all');
  });

  test('keeps the thinking unfolded and the focus on it, while the answer comes and when it is there', async () => {
    const held = gate();
    const pause = { afterChunks: 3, until: held.opened };
    standIn.behave = inTurn({ thinking: 'hm', answer: 'one two', pause }, {});
    const { page, faults } = await openPage(browser, url);
    await ask(page, 'think');
    await soon(() => lastAnswer(page)).toMatch(/^one/);
    await page.locator('.turns summary').focus();
    await page.keyboard.press('Enter');
    held.open();
    await soon(() => lastAnswer(page)).toBe('one two');
    await isOver(page);
    expect(await page.locator('.turns details[open]').textContent()).toContain('hm');
    expect(await focused(page)).toBe('Thinking');
    expect(faults).toEqual([]);
  });

  test('is told of each answer which model gave it, also after another one was chosen', async () => {
    const { page } = await openPage(browser, url);
    const models = page.getByLabel('Model');
    await soon(() => models.locator('option').count()).toBeGreaterThan(1);
    const names = await models.locator('option').allTextContents();
    const said = () => page.locator('.turns .assistant strong').allTextContents();
    for (const [at, model] of names.slice(0, 2).entries()) {
      await models.selectOption(model);
      await ask(page, `${at + 2}*2`);
      await soon(() => lastAnswer(page)).toBe(String((at + 2) * 2));
      await isOver(page);
    }
    expect(await said()).toEqual(names.slice(0, 2));
    await page.reload();
    await soon(said).toEqual(names.slice(0, 2));
  });

  test('sees the part that was opened last, though one before it was slower', async () => {
    const { page } = await openPage(browser, `${url}/#chat`);
    const held = gate();
    await page.route('**/page/figures', async (route) => {
      await held.opened;
      await route.fulfill({ json: [] });
    });
    const figures = page.waitForResponse((response) => response.url().endsWith('/page/figures'));
    await page.getByRole('link', { name: 'Charts' }).click();
    await page.getByRole('link', { name: 'Tasks' }).click();
    await soon(() => page.getByRole('table', { name: 'Tasks' }).count()).toBe(1);
    held.open();
    await (await figures).finished();
    await readTwice(page);
    expect(await page.getByRole('table', { name: 'Tasks' }).count()).toBe(1);
  });

  test('reads a task that has expired in peace: it is not shown again and again', async () => {
    const task = 'e'.repeat(40);
    const record = { task, asker: 'bot', asked_at: new Date().toISOString(), file: 'task.json', text: 'hm' };
    const { page } = await openPage(browser, url);
    await page.route('**/page/state', async (route) => {
      const state = await (await route.fetch()).json();
      const [known] = state.tasks;
      const expired = { ...known, task, state: 'expired', answered_at: null, answer: null };
      await route.fulfill({ json: { ...state, tasks: [expired] } });
    });
    let reads = 0;
    await page.route('**/page/task/*', async (route) => {
      reads += 1;
      await route.fulfill({ json: { ...record, answer: null, git: 'git show' } });
    });
    await isOpen(page);
    await page.evaluate(`location.hash = 'task/${task}'`);
    await soon(() => page.getByRole('heading', { name: /^Record/ }).count()).toBe(1);
    await readTwice(page);
    await readTwice(page);
    expect(reads).toBe(1);
  });

  test('stops a call at once, also between two tries', async () => {
    const { page } = await openPage(browser, url);
    await page.route('**/v1/chat/completions', (route) =>
      route.fulfill({ status: 503, json: { error: { message: 'no answer yet', code: 'still_waiting' } } }),
    );
    // Its timers stand still, so the second try never comes.
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 60_000);
    const refused = page.waitForResponse((response) => response.url().endsWith('/v1/chat/completions'));
    await ask(page, 'patience');
    await (await refused).finished();
    await page.evaluate('fetch("/health").then((response) => response.text())');
    await page.getByRole('button', { name: 'Stop' }).click();
    await soon(() => page.locator('.turns .problem').allTextContents()).toEqual(['stopped']);
  });

  test('goes on with the chat where the browser keeps nothing more', async () => {
    standIn.behave = () => ({});
    const { page } = await openPage(browser, url);
    await isOpen(page);
    await page.evaluate(`for (let size = 2 ** 22; size > 0; size = Math.floor(size / 2))
      try { localStorage.setItem('more ' + size, 'x'.repeat(size)); } catch {}`);
    await ask(page, '5*5');
    await soon(() => lastAnswer(page)).toBe('25');
    expect(await page.locator('.turns .problem').count()).toBe(0);
  });

  test('is told how to connect a program with a model that can chat', async () => {
    const { page } = await openPage(browser, url);
    await page.route('**/page/state', async (route) => {
      const state = await (await route.fetch()).json();
      const embedder = { name: 'only-embeds', can: ['embed'], agents: ['home-pc'], loadedUntilMs: null };
      await route.fulfill({ json: { ...state, models: [embedder, ...state.models] } });
    });
    await readTwice(page);
    await page.getByRole('link', { name: 'Connect' }).click();
    await soon(() => page.locator('main pre').first().textContent()).toContain('"model": "');
    expect((await page.locator('main pre').allTextContents()).join()).not.toContain('only-embeds');
  });

  test('reads Russian throughout, where the browser speaks English', async () => {
    const { page } = await openPage(browser, url);
    await page.getByRole('button', { name: 'Русский' }).click();
    await page.getByRole('link', { name: 'Графики' }).click();
    await soon(() => page.getByRole('img').count()).toBe(4);
    for (const figure of await page.getByRole('img').all())
      expect(await figure.getAttribute('aria-label')).not.toMatch(/[A-Za-z]/);
    await page.getByRole('link', { name: 'Задачи' }).click();
    await page.locator('tbody a').first().click();
    await soon(() => page.getByRole('heading', { name: /^Запись/ }).count()).toBe(1);
    expect(await page.locator('dd').allTextContents()).toContainEqual(
      expect.stringMatching(/\d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d$/),
    );
    await page.route('**/page/search*', (route) => route.abort());
    await page.getByRole('link', { name: 'Поиск' }).click();
    await page.getByLabel('Что искать').fill('hm');
    await page.keyboard.press('Enter');
    await soon(() => page.getByRole('status').textContent()).toBe('Шлюз не отвечает.');
  });
});
