#!/usr/bin/env node
// Looks at the page of `mcp-proxy ui` in Chromium, as people do: comes by the link, reads it in both languages, light and
// dark, wide and narrow, with and without JavaScript, goes through it by keyboard, signs in from it, and sees a call
// arrive. Prints what it saw as JSON; exit 1 on any problem.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const USAGE = `usage: dashboard.mjs --link URL [options]
  --pictures DIRECTORY           where pictures are put; none without it
  --sign-in                      signs in from the page, by keyboard
  --call URL                     posts MCP messages there afterwards, and waits until the page shows them
  --refused URL                  the same with one that a rule refuses
  --style FILE                   a style to look at instead of the program's own
  --browser FILE                 default /usr/bin/chromium
  --timeout SECONDS              for each step, default 30`;

const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };

function usage(problem) {
  console.error(`dashboard.mjs: ${problem}\n${USAGE}`);
  process.exit(64);
}

function parse() {
  try {
    return parseArgs({
      options: {
        link: { type: 'string' },
        pictures: { type: 'string' },
        'sign-in': { type: 'boolean', default: false },
        call: { type: 'string' },
        refused: { type: 'string' },
        style: { type: 'string' },
        browser: { type: 'string', default: '/usr/bin/chromium' },
        timeout: { type: 'string', default: '30' },
      },
    }).values;
  } catch (error) {
    return usage(error.message);
  }
}

const options = parse();
if (!options.link) usage('--link is needed');
const own = new URL(options.link).origin;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const problems = [];
const seen = { link: {}, looks: [], order: [], live: [], signIn: null, withoutJavaScript: null };
const expect = (is, what) => { if (!is) problems.push(what); };

const browser = await chromium.launch({ executablePath: options.browser, headless: true, args: BROWSER_FLAGS });

/** A browser of its own, with the cookies of the first one. */
async function person(cookies, settings) {
  const context = await browser.newContext({ viewport: WIDE, locale: 'en-US', ...settings });
  context.setDefaultTimeout(Number(options.timeout) * 1000);
  await context.addCookies(cookies);
  if (options.style) await context.route('**/ui/style.css', (route) => route.fulfill({ path: options.style, contentType: 'text/css' }));
  const errors = [];
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && !['127.0.0.1', 'localhost'].includes(url.hostname)) {
      problems.push(`a request left this machine: ${url.origin}${url.pathname}`);
    }
  });
  const watch = (page) => {
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(error.message));
  };
  context.on('page', watch);
  const page = await context.newPage();
  return { context, page, errors };
}

const picture = async (page, name) => {
  if (!options.pictures) return;
  mkdirSync(options.pictures, { recursive: true });
  await page.screenshot({ path: join(options.pictures, `${name}.png`) });
  await page.screenshot({ path: join(options.pictures, `${name}-whole.png`), fullPage: true });
};

/** Whatever axe-core finds, as `rule: element`. It is run from outside of the page's own policy. */
async function violations(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => JSON.stringify(violations.flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')))))`,
    awaitPromise: true,
    returnByValue: true,
  });
  return JSON.parse(result.value);
}

/** The page in every manner. */
async function look(cookies, when) {
  for (const [language, locale] of [['en', 'en-US'], ['zh', 'zh-CN']]) {
    for (const colorScheme of ['light', 'dark']) {
      for (const [width, viewport] of [['wide', WIDE], ['narrow', NARROW]]) {
        const name = `${when}-${language}-${colorScheme}-${width}`;
        const { context, page, errors } = await person(cookies, { locale, colorScheme, viewport });
        await page.goto(`${own}/ui`);
        await page.locator('#live[data-state="live"]').waitFor();
        const found = await violations(page);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        await picture(page, name);
        seen.looks.push({ name, lang: await page.locator('html').getAttribute('lang'), title: await page.title(), violations: found });
        expect(found.length === 0, `${name}: ${found.join('; ')}`);
        expect(sideways <= 0, `${name}: wider than the screen by ${sideways}`);
        expect(errors.length === 0, `${name}: the console says ${errors.join('; ')}`);
        await context.close();
      }
    }
  }
}

/** What the Tab key reaches, in its order; fails if something that can be used is not among it. */
async function byKeyboard(page) {
  const wanted = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary, [tabindex="0"]')]
    .filter((element) => element.checkVisibility() && !element.disabled)
    .map((element, at) => { element.dataset.at = String(at); return element.id || element.textContent.trim() || element.tagName; }));
  await page.evaluate(() => { document.activeElement?.blur?.(); window.scrollTo(0, 0); });
  const reached = new Set();
  for (let press = 0; press < wanted.length + 5; press += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const { activeElement: element } = document;
      if (!element || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { at: element.dataset.at, shown: outlineStyle !== 'none' && outlineWidth !== '0px', name: element.id || element.textContent.trim() };
    });
    if (at === null || at.at === undefined) continue;
    expect(at.shown, `the focus is not seen on ${at.name}`);
    reached.add(at.at);
    seen.order.push(at.name.slice(0, 60));
  }
  wanted.forEach((name, at) => expect(reached.has(String(at)), `the keyboard does not reach ${name}`));
}

const post = (url, message) => fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  body: JSON.stringify({ jsonrpc: '2.0', ...message }),
}).then(async (answer) => { await answer.text(); return answer; });

/** A client that speaks MCP: what it does shows up on the page while somebody looks on. */
async function call(url) {
  const begun = await post(url, {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'looked-on', version: '1' } },
  });
  const session = begun.headers.get('mcp-session-id');
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-06-18', ...(session && { 'mcp-session-id': session }) };
  const send = (message) => fetch(url, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', ...message }) }).then((answer) => answer.text());
  await send({ method: 'notifications/initialized' });
  await send({ id: 2, method: 'tools/list' });
  for (let id = 3; id < 12; id += 1) {
    await send({ id, method: 'tools/call', params: { name: 'echo', arguments: { text: `number ${id}` } } });
  }
  await send({ id: 12, method: 'tools/call', params: { name: 'no-such-tool', arguments: {} } });
}

try {
  const first = await person([], {});
  const { page } = first;
  const entered = await page.goto(options.link);
  const cookies = await first.context.cookies();
  const headers = entered.headers();
  seen.link = {
    status: entered.status(),
    url: page.url(),
    title: await page.title(),
    cookie: cookies.map(({ name, httpOnly, sameSite, path, expires }) => ({ name, httpOnly, sameSite, path, expires })),
    csp: headers['content-security-policy'] ?? null,
    cacheControl: headers['cache-control'] ?? null,
  };
  expect(page.url() === `${own}/ui`, `the link ends at ${page.url()}`);
  await page.locator('#live[data-state="live"]').waitFor();
  await byKeyboard(page);
  const stranger = await person([], {});
  const refused = await stranger.page.goto(options.link);
  seen.link.again = { status: refused.status(), title: await stranger.page.title(), text: await stranger.page.locator('body').innerText() };
  if (options.pictures) await picture(stranger.page, 'link-used');
  await stranger.context.close();
  await look(cookies, 'before');

  if (options['sign-in']) {
    const button = page.getByRole('button', { name: /^sign in/i });
    await button.focus();
    const opened = first.context.waitForEvent('page');
    await page.keyboard.press('Enter');
    const consent = await opened;
    await consent.getByRole('button', { name: /allow/i }).waitFor();
    // Meanwhile the page says that it waits, and takes the address for those whose browser cannot follow.
    await page.getByLabel('Address or authorization code').waitFor();
    await picture(page, 'waiting');
    const held = await violations(page);
    expect(held.length === 0, `waiting: ${held.join('; ')}`);
    await consent.getByRole('button', { name: /allow/i }).click();
    await consent.getByText('Signed in').first().waitFor();
    const callback = new URL(consent.url());
    // Nobody loads the page again: it hears of it.
    await page.locator('#standing .state .good').first().waitFor();
    await page.locator('.said.good').waitFor();
    seen.signIn = { callback: callback.origin + callback.pathname, title: await page.title(), standing: await page.locator('#standing').innerText() };
    await consent.close();
  }
  if (options.call) {
    await call(options.call);
    await page.locator('#calls tbody tr', { hasText: 'no-such-tool' }).first().waitFor();
    await page.locator('#clients tbody tr').first().waitFor();
    seen.live.push(await page.locator('#latency figcaption').innerText());
  }
  if (options.refused) {
    const { status } = await post(options.refused, { id: 1, method: 'tools/list' });
    await page.locator('#refusals li').first().waitFor();
    seen.live.push(`${status} ${await page.locator('#refusals li').first().innerText()}`);
  }
  if (options.call) {
    await byKeyboard(page);
    const copy = page.locator('button.copy').first();
    await first.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: own });
    await copy.click();
    await page.locator('button.copy .now', { hasText: 'Copied' }).waitFor();
    seen.copied = await page.evaluate(() => navigator.clipboard.readText());
    // What is open stays open, and what has the focus keeps it, while the page changes.
    await page.locator('#latency-table').click();
    const version = await page.locator('#latency').getAttribute('data-version');
    await call(options.call);
    await page.waitForFunction((before) => document.getElementById('latency').dataset.version !== before, version);
    expect(await page.locator('#latency details').getAttribute('open') !== null, 'what was open is closed');
    expect(await page.evaluate(() => document.activeElement?.id) === 'latency-table', 'the focus was lost');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('#live[data-state="paused"]').waitFor();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.locator('#live[data-state="live"]').waitFor();
    await look(cookies, 'after');
  }
  expect(first.errors.length === 0, `the console says ${first.errors.join('; ')}`);

  const plain = await person(cookies, { javaScriptEnabled: false });
  await plain.page.goto(`${own}/ui`);
  const reload = plain.page.getByRole('link', { name: 'Reload every 10 s' });
  seen.withoutJavaScript = {
    headings: await plain.page.locator('h2').allInnerTexts(),
    copyButtons: await plain.page.locator('button.copy:visible').count(),
    forms: await plain.page.locator('form:visible').count(),
  };
  await picture(plain.page, 'without-javascript');
  await reload.click();
  await plain.page.getByRole('link', { name: 'Stop reloading' }).waitFor();
  await plain.page.waitForResponse((response) => response.url().includes('refresh='));
  await plain.page.getByRole('link', { name: '中文' }).click();
  await plain.page.locator('html[lang="zh-CN"]').waitFor();
  await plain.context.close();
  await first.context.close();
} catch (error) {
  problems.push(error.message.split('\n').slice(0, 4).join(' ').replace(/(once|code|state)=[^&\s]*/g, '$1=<redacted>'));
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen, null, 2));
for (const problem of problems) console.error(`dashboard.mjs: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
