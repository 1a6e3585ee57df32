#!/usr/bin/env node
// Signs in as a person does: opens the sign-in page in Chromium, presses Allow or Deny, follows the redirect to the
// callback on this host. Prints what the person ends up seeing as JSON; exit 1 on any problem.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const USAGE = `usage: sign_in.mjs --url AUTHORIZE_URL --click allow|deny [options]
  --screenshot FILE              picture of the last page
  --consent-screenshot FILE      picture of the sign-in page
  --ignore-certificate-errors    the sign-in page has a certificate of the sandbox
  --browser FILE                 default /usr/bin/chromium
  --timeout SECONDS              for each step, default 20`;

const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function usage(problem) {
  console.error(`sign_in.mjs: ${problem}\n${USAGE}`);
  process.exit(64);
}

function parse() {
  try {
    return parseArgs({
      options: {
        url: { type: 'string' },
        click: { type: 'string' },
        screenshot: { type: 'string' },
        'consent-screenshot': { type: 'string' },
        'ignore-certificate-errors': { type: 'boolean', default: false },
        browser: { type: 'string', default: '/usr/bin/chromium' },
        timeout: { type: 'string', default: '20' },
      },
    }).values;
  } catch (error) {
    return usage(error.message);
  }
}

const isLoopback = (hostname) => /^(127(\.\d+){3}|\[::1\]|localhost|.*\.localhost)$/.test(hostname);

/** The browser's own complaint about the status of the last page, which the report states anyway. */
const isOwnStatus = (message, url) => message.location().url === url && /responded with a status of/.test(message.text());

async function signIn(page, options, callback) {
  await page.goto(options.url);
  if (options['consent-screenshot']) await page.screenshot({ path: options['consent-screenshot'], fullPage: true });
  const isCallback = (request) => {
    const { origin, pathname } = new URL(request.url());
    return request.isNavigationRequest() && origin === callback.origin && pathname === callback.pathname;
  };
  const arrived = page.waitForResponse((response) => isCallback(response.request()));
  const failed = new Promise((_, reject) => {
    page.on('requestfailed', (request) => isCallback(request) && reject(new Error(`callback: ${request.failure().errorText}`)));
  });
  const name = options.click === 'allow' ? /allow/i : /deny/i;
  const answered = Promise.race([arrived, failed]);
  const [response] = await Promise.all([answered, page.getByRole('button', { name }).click()]);
  await page.waitForLoadState('load');
  if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });
  return response;
}

const options = parse();
if (!options.url || !['allow', 'deny'].includes(options.click)) usage('--url and --click allow|deny are needed');
const redirect = new URL(options.url).searchParams.get('redirect_uri');
if (!redirect) usage('the authorize URL has no redirect_uri');
const callback = new URL(redirect);

const profile = mkdtempSync(join(tmpdir(), 'sign-in-'));
let problems = [];
try {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: options.browser,
    headless: true,
    args: BROWSER_FLAGS,
    ignoreHTTPSErrors: options['ignore-certificate-errors'],
  });
  context.setDefaultTimeout(Number(options.timeout) * 1000);
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  const externalRequests = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message));
  page.on('pageerror', (error) => errors.push({ text: () => error.message, location: () => ({}) }));
  context.on('request', (request) => {
    const { protocol, hostname, origin, pathname } = new URL(request.url());
    if (/^(https?|wss?):$/.test(protocol) && !isLoopback(hostname)) externalRequests.push(origin + pathname);
  });
  const response = await signIn(page, options, callback);

  const final = new URL(page.url());
  const secrets = ['code', 'state'].map((name) => final.searchParams.get(name)).filter(Boolean);
  const html = await page.content();
  const redact = (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, '<redacted>'), text);
  const report = {
    finalUrl: final.origin + final.pathname,
    status: response.status(),
    title: await page.title(),
    text: redact(await page.locator('body').innerText()),
    consoleErrors: errors.filter((error) => !isOwnStatus(error, page.url())).map((error) => redact(error.text())),
    externalRequests,
    csp: response.headers()['content-security-policy'] ?? null,
    cacheControl: response.headers()['cache-control'] ?? null,
  };
  console.log(JSON.stringify(report, null, 2));
  if (report.finalUrl !== callback.origin + callback.pathname) problems.push(`ended at ${report.finalUrl}`);
  if (report.consoleErrors.length > 0) problems.push('the console has errors');
  if (externalRequests.length > 0) problems.push('requests left this host');
  if (secrets.some((secret) => html.includes(secret))) problems.push('the page repeats the code or the state');
  await context.close();
} catch (error) {
  // The URL of a failed step may carry the code.
  problems = [error.message.split('\n')[0].replace(/\?\S*/g, '?<redacted>')];
} finally {
  rmSync(profile, { recursive: true, force: true });
}
for (const problem of problems) console.error(`sign_in.mjs: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
