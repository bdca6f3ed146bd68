import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findTokenFile } from '../../src/admin/token-file.js';
import { addToken } from '../../src/admin/tokens.js';
import { inTurn } from '../../src/demo/stand-in/stand-in-request.js';
import type { StandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, gate } from '../support/bridge-agent.js';
import type { BridgeFixture } from '../support/bridge-fixture.js';
import { findChromium, openPage } from '../support/browser.js';
import { startCli } from '../support/cli.js';
import { startServedPage } from '../support/served-page.js';

// The page of `serve` in a real Chromium, over a real bridge with a real agent.

/** As `expect.poll`, for as long as a busy machine may take. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });

const chromium = await findChromium();
const title = chromium === null ? ' (skipped: there is no Chromium in the PATH)' : '';

describe.skipIf(chromium === null)(`the page${title}`, () => {
  let bridge: BridgeFixture;
  let standIn: StandIn;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    ({ bridge, standIn, browser, url } = await startServedPage(chromium ?? ''));
  });

  const ask = async (page: Page, question: string) => {
    await page.getByLabel('Message').fill(question);
    await page.getByRole('button', { name: 'Send' }).click();
  };

  test('answers token by token, and shows each task with its commit', async () => {
    const held = gate();
    standIn.behave = inTurn(
      { thinking: 'hm', answer: 'one two', pause: { afterChunks: 3, until: held.opened } },
      {},
    );
    const { page, faults } = await openPage(browser, url);
    await page.getByLabel('Model').selectOption({ index: 0 });
    await ask(page, 'count');

    // It stands there while the model is still held.
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toMatch(/^one/);
    // Another page shows how fast it is, in its own language.
    const { page: other } = await openPage(browser, `${url}/#tasks`);
    await soon(() => other.getByRole('table', { name: 'Tasks' }).textContent()).toMatch(/\d tokens\/s/);
    const { page: russian } = await openPage(browser, `${url}/#tasks`, { locale: 'ru-RU' });
    await soon(() => russian.getByRole('table').textContent()).toMatch(/(?:генерирует|загружает) llama/);
    held.open();
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe('one two');

    await page.locator('.turns .assistant a').last().click();
    await soon(() => page.getByRole('heading', { name: /^Record/ }).count()).toBe(1);
    const [commit = ''] = await bridge.gitLog('%H');
    await soon(() => page.locator('main').textContent()).toContain(commit);
    expect(await page.locator('main').textContent()).toContain(`git -C ${bridge.repoPath} show`);
    expect(faults).toEqual([]);
  });

  test('of several bridges says of which a task and an agent is, and which is away', async () => {
    const away = bridge.repoPath.replace('bridge.git', 'away.git');
    const serve = await startCli(
      ['serve', '--repo', bridge.repoPath, '--repo', away, '--listen', '127.0.0.1:0'],
      { env: bridge.ownerEnv },
    );
    const [, several = ''] = await serve.waitFor('stderr', /listening on (\S+)/);
    const { page, faults } = await openPage(browser, `${several}/#tasks`);
    const shown = () => page.locator('main').textContent();
    await soon(shown).toContain('away: it could not be opened yet');
    expect(await shown()).toContain('bridge/');
    await page.getByRole('link', { name: 'Agents' }).click();
    await soon(shown).toContain('bridge/home-pc');
    expect(faults).toEqual([]);
  });

  test('goes on with the same task after a reload, and asks the model once', async () => {
    const held = gate();
    standIn.behave = inTurn({ answer: 'the end', pause: { afterChunks: 1, until: held.opened } }, {});
    const before = chatsOf(standIn).length;
    const { page } = await openPage(browser, url);
    await ask(page, 'slowly');
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toMatch(/^the/);

    await page.reload();
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toMatch(/^the/);
    held.open();
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe('the end');
    expect(chatsOf(standIn)).toHaveLength(before + 1);
  });

  test('waits on where a call has waited in vain, and begins anew where the model does', async () => {
    const impatient = await startCli(
      ['serve', '--repo', bridge.repoPath, '--listen', '127.0.0.1:0', '--wait', '1'],
      { env: bridge.ownerEnv },
    );
    const [, soonTired = ''] = await impatient.waitFor('stderr', /listening on (\S+)/);
    const held = gate();
    const fault = { afterChunks: 2, kind: 'die' } as const;
    standIn.behave = inTurn(
      { firstTokenAfter: held.opened, answer: 'one two three four', fault },
      { answer: 'all of it' },
    );
    const tasks = async () =>
      (await bridge.gitLog()).filter((line) => line.startsWith('ask: patience')).length;
    const { page } = await openPage(browser, soonTired);
    const refusals: string[] = [];
    page.on('response', (response) => {
      if (response.url().endsWith('/v1/chat/completions')) refusals.push(String(response.status()));
    });
    await ask(page, 'patience');
    await soon(() => refusals.length).toBeGreaterThanOrEqual(2);
    held.open();
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe('all of it');

    expect(await page.locator('.turns .problem').count()).toBe(0);
    expect(await tasks()).toBe(1);
  });

  test('stops an answer, on the bridge too', async () => {
    const held = gate();
    standIn.behave = inTurn({ answer: 'never ends', pause: { afterChunks: 1, until: held.opened } }, {});
    const { page } = await openPage(browser, url);
    await ask(page, 'for ever');
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toMatch(/^never/);

    await page.getByRole('button', { name: 'Stop' }).click();

    await soon(() => page.locator('.turns .problem').textContent()).toBe('stopped');
    await soon(() => bridge.gitLog()).toContainEqual(expect.stringMatching(/^cancel /));
  });

  test('shows the image of a question, says to a screen reader what happens, and runs nothing that a model said', async () => {
    const said = '<script>document.title = "bad"</script><img src="x" onerror="document.title = 1">';
    standIn.behave = inTurn({ answer: said }, {});
    const { page, faults } = await openPage(browser, url);
    expect(await page.getByRole('button', { name: 'Log out' }).count()).toBe(0);
    await page.getByLabel('Model').selectOption({ index: 0 });
    const dot =
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const file = { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(dot, 'base64') };
    await page.getByLabel('Attach an image').setInputFiles(file);
    await soon(() => page.getByRole('status').textContent()).toMatch(/: 1$/);
    await ask(page, 'what is it');
    const image = page.locator('.turns .user').getByRole('img');
    await soon(() => image.evaluate((one) => (one as { naturalWidth?: number }).naturalWidth)).toBe(1);
    expect(await image.getAttribute('alt')).not.toBe('');
    expect(await page.getByRole('list', { name: 'Chat' }).getAttribute('aria-live')).toBe('polite');

    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe(said);
    expect(await page.locator('.turns .assistant img, .turns script').count()).toBe(0);
    expect(await page.title()).not.toMatch(/bad|1/);
    expect(faults).toEqual([]);
  });

  test('lists tasks, agents and models by itself, finds answers, and draws what happened', async () => {
    const { page, faults } = await openPage(browser, `${url}/#tasks`);
    const tasks = page.getByRole('table', { name: 'Tasks' });
    await soon(() => tasks.textContent()).toContain('count');
    await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: '6*7' }] }),
    });
    // Without a reload.
    await soon(() => tasks.textContent()).toContain('6*7');

    await page.getByRole('link', { name: 'Agents' }).click();
    await soon(() => page.getByRole('table', { name: 'Agents' }).textContent()).toContain('home-pc');
    expect(await page.getByRole('table', { name: 'Models' }).textContent()).toContain('llama3.2');

    await page.getByRole('link', { name: 'Search' }).click();
    await page.getByLabel('Words to look for').fill('42 6*7');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('main').textContent()).toContain('found: 1');

    await page.getByRole('link', { name: 'Charts' }).click();
    await soon(() => page.locator('canvas').count()).toBe(4);
    const byModel = page.getByRole('table', { name: 'By model' });
    await soon(() => byModel.locator('tbody tr').first().textContent()).toMatch(/^llama\S*\d/);
    await soon(() => page.getByRole('table', { name: 'By day' }).locator('tbody tr').count()).toBeGreaterThan(
      0,
    );
    await page.getByRole('link', { name: 'Connect' }).click();
    await soon(() => page.locator('main').textContent()).toContain(`OPENAI_API_BASE_URL=${url}/v1`);
    expect(faults).toEqual([]);
  });

  test('is whole in Russian, dark, 360 pixels wide, and has nothing serious for axe-core', async () => {
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const options of [
      { colorScheme: 'light', locale: 'en-US', viewport: { width: 1200, height: 800 } },
      { colorScheme: 'dark', locale: 'ru-RU', viewport: { width: 360, height: 640 } },
    ] as const) {
      const { page, faults } = await openPage(browser, url, options);
      for (const section of ['chat', 'tasks', 'agents', 'search', 'charts', 'connect']) {
        await page.evaluate(`location.hash = '${section}'`);
        await soon(() => page.locator('main section').count()).toBe(1);
        await soon(() => page.locator('nav a[aria-current=page]').getAttribute('href')).toBe(`#${section}`);
        if (section === 'charts') await soon(() => page.locator('canvas').count()).toBe(4);
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        expect(wide, `${section} at ${options.viewport.width}`).toBeLessThanOrEqual(options.viewport.width);
        // By the protocol of the debugger: the policy of the page lets no script be added.
        if (section === 'charts' && options.colorScheme === 'dark')
          expect(await page.evaluate(BLACK_PIXELS)).toEqual([0, 0, 0, 0]);
        if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe);
        const { violations } = (await page.evaluate('axe.run()')) as { violations: Violation[] };
        const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        expect(found, `${section}, ${options.colorScheme}`).toEqual([]);
      }
      if (options.locale === 'ru-RU') {
        const text = (await page.locator('body').textContent()) ?? '';
        expect(text).toContain('Подключить');
        expect(await page.locator('nav').textContent()).not.toMatch(/[A-Za-z]/);
      }
      expect(faults).toEqual([]);
    }
  });

  test('can be used by the keyboard alone', async () => {
    const { page } = await openPage(browser, `${url}/#chat`);
    standIn.behave = () => ({});
    await page.getByLabel('Message').focus();
    await page.keyboard.type('2+2');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe('4');
    for (let pressed = 0; pressed < 30; pressed += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate('document.activeElement?.textContent');
      if (focused === 'New chat') break;
    }
    await page.keyboard.press('Enter');
    await soon(() => page.locator('.turns li').count()).toBe(0);
  });

  test('asks for a token where there are some, and keeps it where no script can read it', async () => {
    const token = await addToken(await findTokenFile(bridge.repoPath, bridge.ownerEnv), 'me', Date.now());
    const { page } = await openPage(browser, url);
    await page.getByLabel('Token').fill('wrong');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('form .problem').textContent()).toContain('no token');
    await page.getByLabel('Token').fill(token);
    await page.keyboard.press('Enter');
    await soon(() => page.getByLabel('Message').count()).toBe(1);
    await soon(() => page.getByRole('button', { name: 'Log out' }).count()).toBe(1);

    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(await page.evaluate('document.cookie + JSON.stringify(localStorage)')).not.toContain(token);
    await ask(page, '3*3');
    await soon(() => page.locator('.turns .assistant .text').last().textContent()).toBe('9');
    await soon(async () => (await bridge.answersLog()).at(-1)?.metadata?.token).toBe('me');
    // A token for a program is made here, and stands in the settings of each.
    await page.getByRole('link', { name: 'Connect' }).click();
    await page.getByLabel('Name of the program').fill('n8n');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('main code').count()).toBe(1);
    const made = (await page.locator('main code').textContent()) ?? '';
    expect(made).toMatch(/^llmb_[\w-]{43}$/);
    expect(await page.locator('main pre').count()).toBeGreaterThanOrEqual(9);
    const settings = (await page.locator('main pre').allTextContents()).join('\n');
    expect(settings).not.toMatch(/<(?:ADDRESS|MODEL|TOKEN)>|TOKEN(?!=)/);
    expect(settings).toContain(
      `ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=${made} ANTHROPIC_MODEL=llama`,
    );
    const headers = { authorization: `Bearer ${made}` };
    expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(200);
    await page.getByLabel('Name of the program').fill('n8n');
    await page.keyboard.press('Enter');
    await soon(() => page.locator('main [role=status]').textContent()).toContain('n8n already');
    // The page itself says nothing, and what it reads is shut.
    expect((await fetch(`${url}/page/state`)).status).toBe(401);
    await page.getByRole('button', { name: 'Log out' }).click();
    await soon(() => page.getByLabel('Token').count()).toBe(1);
  });
});

/** How many pixels of each chart are black, which nobody sees on a dark page. */
const BLACK_PIXELS = `[...document.querySelectorAll('canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4)
    if (data[at] + data[at + 1] + data[at + 2] < 30 && data[at + 3] === 255) count += 1;
  return count;
})`;

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: unknown;
}
