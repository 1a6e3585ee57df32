#!/usr/bin/env node
// Drives an MCP server, directly or through the proxy, with the official TypeScript SDK.
// One line per case: `ok NAME detail`, `FAIL NAME why` or `skip NAME why`; exit 0 when nothing failed.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CASES, NAMED_CASES, NotApplicable } from './cases.mjs';
import { loadSdk } from './connect.mjs';

const USAGE = `usage: flow.mjs --url URL [options]
  --transport streamable|sse|stdio  default streamable; with stdio, URL is a command: ["program", "argument"]
  --sdk v1|v2                     default v1
  --mode legacy|auto              version negotiation of v2, default legacy
  --case NAME                     only this case; may be repeated
  --expect-era legacy|modern      what the negotiation must arrive at
  --expect TEXT                   what the user must read (sign_in_needed, restricted)
  --header 'Name: value'          sent with every request; may be repeated
  --ca FILE                       also trust this CA
  --timeout SECONDS               for each case, default 60
  --no-skip                       a case that does not apply is a failure
cases: ${Object.keys(CASES).join(' ')}; only when named: ${Object.keys(NAMED_CASES).join(' ')}`;

function usage(problem) {
  console.error(`flow.mjs: ${problem}\n${USAGE}`);
  process.exit(64);
}

function parse() {
  try {
    return parseArgs({
      options: {
        url: { type: 'string' },
        transport: { type: 'string', default: 'streamable' },
        sdk: { type: 'string', default: 'v1' },
        mode: { type: 'string', default: 'legacy' },
        case: { type: 'string', multiple: true, default: Object.keys(CASES) },
        'expect-era': { type: 'string' },
        expect: { type: 'string' },
        header: { type: 'string', multiple: true, default: [] },
        ca: { type: 'string' },
        timeout: { type: 'string', default: '60' },
        'no-skip': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return usage(error.message);
  }
}

function check(options) {
  const allowed = { transport: ['streamable', 'sse', 'stdio'], sdk: ['v1', 'v2'], mode: ['legacy', 'auto'] };
  for (const [name, values] of Object.entries(allowed)) {
    if (!values.includes(options[name])) usage(`--${name} is one of ${values.join(', ')}`);
  }
  if (!options.url) usage('--url is missing');
  if (options.mode === 'auto' && options.sdk !== 'v2') usage('--mode auto needs --sdk v2');
  for (const name of options.case) {
    if (!(name in CASES) && !(name in NAMED_CASES)) usage(`no case ${name}`);
  }
  const needing = options.case.find((name) => name in NAMED_CASES);
  if (needing && !options.expect) usage(`${needing} needs --expect`);
}

function headersOf(lines) {
  return Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(':');
    if (colon < 1) usage("--header is 'Name: value'");
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  }));
}

async function bounded(seconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const oneLine = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean).join(' ').slice(0, 500);

const options = parse();
check(options);

// Node reads extra certificates only when it starts.
if (options.ca && process.env.NODE_EXTRA_CA_CERTS !== options.ca) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, NODE_EXTRA_CA_CERTS: options.ca },
  });
  process.exit(child.status ?? 70);
}

const run = {
  sdk: await loadSdk(options.sdk),
  target: {
    url: options.url,
    transport: options.transport,
    mode: options.mode,
    headers: headersOf(options.header),
  },
  expectEra: options['expect-era'],
  expect: options.expect,
};

let failed = 0;
for (const name of options.case) {
  try {
    const detail = await bounded(Number(options.timeout), (CASES[name] ?? NAMED_CASES[name])(run));
    console.log(`ok ${name} ${detail}`);
  } catch (error) {
    const skipped = error instanceof NotApplicable && !options['no-skip'];
    if (!skipped) failed += 1;
    console.log(`${skipped ? 'skip' : 'FAIL'} ${name} ${oneLine(error.message)}`);
  }
}
// An open stream of a failed case must not keep the process.
process.exit(failed === 0 ? 0 : 1);
