import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onCleanup } from './on-cleanup.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The Chromium of this machine: what LLM_BRIDGE_CHROMIUM names, or one in the PATH; null where there is
 * none.
 */
export async function findChromium(): Promise<string | null> {
  const { LLM_BRIDGE_CHROMIUM: named, PATH = '' } = process.env;
  const files = named
    ? [named]
    : PATH.split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  for (const file of files) {
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return null;
}

/**
 * It draws without the process that stands in for a graphics card, and all pages share two others: a third
 * of its processor time.
 */
const THRIFT = [
  ...['--disable-dev-shm-usage', '--disable-gpu', '--disable-software-rasterizer'],
  '--renderer-process-limit=2',
];

/** Starts that Chromium, without a window, until the end of the test file. */
export async function startBrowser(executablePath: string): Promise<Browser> {
  // Root, as in most containers, has no sandbox; whatever it opens is ours.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args: [...args, ...THRIFT] });
  onCleanup(() => browser.close());
  return browser;
}

/** Opens a page that keeps what went wrong in it: errors of its scripts, and what its policy refused. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly faults: string[] }> {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  onCleanup(() => context.close());
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
      faults.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}
