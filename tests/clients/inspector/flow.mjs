#!/usr/bin/env node
// Drives an MCP server, directly or through the proxy, with the command line of the MCP Inspector, which opens a new
// session for every call. One line per case: `ok NAME detail` or `FAIL NAME why`; exit 0 when nothing failed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const EXPECTED = JSON.parse(readFileSync(new URL('../sandbox.json', import.meta.url)));
const INSPECTOR = fileURLToPath(new URL('node_modules/@modelcontextprotocol/inspector-cli/build/cli.js', import.meta.url));
const TRICKY_TEXT = 'plain, "quoted", tab\t, two\nlines, Zoë, 你好, 🦀';
const LARGE = 1024 * 1024;
const USAGE = `usage: flow.mjs --url URL [options]
  --transport streamable|sse|stdio  default streamable; with stdio, URL is a command: ["program", "argument"]
  --case NAME                     only this case; may be repeated
  --expect TEXT                   what the user must read (sign_in_needed)
  --header 'Name: value'          sent with every request; may be repeated
  --timeout SECONDS               for each call, default 60`;

function usage(problem) {
  console.error(`flow.mjs: ${problem}\n${USAGE}`);
  process.exit(64);
}

/** The words for a command, whose own flags would else be taken for the Inspector's. */
function bridged(url) {
  const [command, ...args] = JSON.parse(url);
  const file = join(mkdtempSync(join(tmpdir(), 'inspector-')), 'mcp.json');
  writeFileSync(file, JSON.stringify({ mcpServers: { cloud: { type: 'stdio', command, args } } }));
  return ['--config', file, '--server', 'cloud'];
}

/** Runs the Inspector once; answers its exit code and what it printed. */
function run(method, ...more) {
  const transport = options.transport === 'sse' ? 'sse' : 'http';
  const headers = options.header.flatMap((header) => ['--header', header]);
  const target = options.transport === 'stdio' ? bridged(options.url) : [options.url, '--transport', transport];
  const words = [INSPECTOR, '--cli', ...target, '--method', method, ...more, ...headers];
  // It looks for its own package relative to where it is started.
  const where = { cwd: dirname(INSPECTOR), timeout: options.timeout * 1000, maxBuffer: 16 * LARGE };
  return new Promise((resolve) => {
    execFile(process.execPath, words, where, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? (error ? 'killed' : 0), stdout, stderr });
    });
  });
}

async function ask(method, ...more) {
  const { code, stdout, stderr } = await run(method, ...more);
  assert.equal(code, 0, `${method} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

async function call(name, ...values) {
  const result = await ask('tools/call', '--tool-name', name, ...values.flatMap((value) => ['--tool-arg', value]));
  assert.deepEqual(result.content.map(({ type }) => type), ['text'], 'content');
  return { text: result.content[0].text, isError: result.isError ?? false };
}

async function tools() {
  const names = (await ask('tools/list')).tools.map(({ name }) => name).sort();
  assert.deepEqual(names, EXPECTED.tools);
  return names.join(' ');
}

async function echo() {
  assert.deepEqual(await call('echo', `text=${TRICKY_TEXT}`), { text: TRICKY_TEXT, isError: false });
  return `${TRICKY_TEXT.length} characters`;
}

async function large() {
  const { text } = await call('large', `bytes=${LARGE}`);
  assert.ok(text === EXPECTED.largePattern.repeat(LARGE / EXPECTED.largePattern.length), 'the bytes differ');
  return `${LARGE} bytes`;
}

async function resource() {
  const { resources } = await ask('resources/list');
  assert.deepEqual(resources.map(({ uri }) => uri), EXPECTED.resources);
  const { resourceTemplates } = await ask('resources/templates/list');
  assert.deepEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate), EXPECTED.templates);
  for (const [uri, text] of Object.entries(EXPECTED.readable)) {
    const { contents } = await ask('resources/read', '--uri', uri);
    assert.deepEqual(contents.map((content) => [content.uri, content.text]), [[uri, text]]);
  }
  return `listed, read ${Object.keys(EXPECTED.readable).join(' and ')}`;
}

async function prompt() {
  const { name, arguments: values, text } = EXPECTED.prompt;
  assert.deepEqual((await ask('prompts/list')).prompts.map((each) => each.name), EXPECTED.prompts);
  const pairs = Object.entries(values).flatMap(([key, value]) => ['--prompt-args', `${key}=${value}`]);
  const { messages } = await ask('prompts/get', '--prompt-name', name, ...pairs);
  assert.deepEqual(messages.map(({ role, content }) => [role, content.text]), [['user', text]]);
  return `${name}: ${text}`;
}

async function fail() {
  assert.deepEqual(await call('fail'), { text: EXPECTED.failText, isError: true });
  return 'reported as a tool error';
}

async function signInNeeded() {
  const { code, stderr } = await run('tools/list');
  assert.notEqual(code, 0, 'listed tools without a sign-in');
  assert.ok(stderr.includes(options.expect), `the user sees ${JSON.stringify(stderr)}`);
  return JSON.stringify(stderr);
}

const CASES = { tools, echo, large, resource, prompt, fail };
const NAMED_CASES = { sign_in_needed: signInNeeded };

function parse() {
  try {
    return parseArgs({
      options: {
        url: { type: 'string' },
        transport: { type: 'string', default: 'streamable' },
        case: { type: 'string', multiple: true, default: Object.keys(CASES) },
        expect: { type: 'string' },
        header: { type: 'string', multiple: true, default: [] },
        timeout: { type: 'string', default: '60' },
      },
    }).values;
  } catch (error) {
    return usage(error.message);
  }
}

const options = parse();
if (!options.url) usage('--url is missing');
if (!['streamable', 'sse', 'stdio'].includes(options.transport)) usage('--transport is one of streamable, sse, stdio');
if (options.case.includes('sign_in_needed') && !options.expect) usage('sign_in_needed needs --expect');

let failed = 0;
for (const name of options.case) {
  const work = { ...CASES, ...NAMED_CASES }[name] ?? usage(`no case ${name}`);
  try {
    console.log(`ok ${name} ${(await work()).replace(/\s+/g, ' ').slice(0, 500)}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name} ${error.message.replace(/\s+/g, ' ').slice(0, 500)}`);
  }
}
process.exit(failed ? 1 : 0);
