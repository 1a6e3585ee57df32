// Keeps the page up to date with what the daemon sends, and copies addresses. The page is whole without it.
'use strict';

(() => {
  const texts = document.body.dataset;
  const live = document.getElementById('live');
  const pause = document.getElementById('pause');
  const summary = document.getElementById('summary');
  // Parts that came while a person was busy there.
  const held = new Map();
  let source = null;

  const state = (name, text) => {
    live.dataset.state = name;
    live.textContent = text;
  };

  // Someone writes or marks text in it.
  const isBusy = (part) => {
    const active = document.activeElement;
    if (active instanceof HTMLInputElement && part.contains(active)) return true;
    const marked = document.getSelection();
    return Boolean(marked && !marked.isCollapsed && marked.containsNode(part, true));
  };

  const reveal = (root) => {
    for (const button of root.querySelectorAll('button[data-copy]')) button.hidden = false;
  };

  // Puts a part in place. What was open stays open, and what had the focus keeps it.
  const put = ({ id, version, html }) => {
    const part = document.getElementById(id);
    if (!part || part.dataset.version === version) return;
    if (isBusy(part)) {
      held.set(id, { id, version, html });
      return;
    }
    held.delete(id);
    const open = [...part.querySelectorAll('details')].map((details) => details.open);
    const scrolled = [...part.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
    if (part === summary) {
      if (part.innerHTML === html) return;
      part.innerHTML = html;
      document.title = `${part.textContent} · mcp-proxy`;
      return;
    }
    part.innerHTML = html;
    part.dataset.version = version;
    [...part.querySelectorAll('details')].forEach((details, at) => { details.open = Boolean(open[at]); });
    [...part.querySelectorAll('.scroll')].forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
    reveal(part);
    if (focused !== null) (document.getElementById(focused) ?? part.querySelector('h2'))?.focus({ preventScroll: true });
  };

  const start = () => {
    const language = encodeURIComponent(document.documentElement.lang);
    source = new EventSource(`/ui/events?lang=${language}`);
    source.addEventListener('open', () => state('live', texts.live));
    source.addEventListener('part', (event) => put(JSON.parse(event.data)));
    source.addEventListener('error', () => {
      state('lost', texts.lost);
      // What was refused is not tried again by the browser itself.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => { if (!source && pause.getAttribute('aria-pressed') !== 'true') start(); }, 5000);
      }
    });
  };

  pause.addEventListener('click', () => {
    const stop = pause.getAttribute('aria-pressed') !== 'true';
    pause.setAttribute('aria-pressed', String(stop));
    pause.textContent = stop ? texts.resume : texts.pause;
    if (stop) {
      source?.close();
      source = null;
      state('paused', texts.paused);
    } else {
      start();
    }
  });

  document.addEventListener('focusout', () => setTimeout(() => [...held.values()].forEach(put)));
  document.addEventListener('selectionchange', () => {
    if (held.size > 0 && document.getSelection()?.isCollapsed) [...held.values()].forEach(put);
  });

  document.addEventListener('click', async (event) => {
    const button = event.target instanceof Element && event.target.closest('button[data-copy]');
    if (!button) return;
    const code = button.parentElement.querySelector('code');
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Not allowed to: it is marked, so that a key copies it.
      document.getSelection()?.selectAllChildren(code);
      return;
    }
    const word = button.querySelector('.now');
    const before = word.textContent;
    word.textContent = texts.copied;
    // Said aloud by the only part that announces what happens.
    const { state: name } = live.dataset;
    live.textContent = texts.copied;
    setTimeout(() => {
      word.textContent = before;
      if (live.dataset.state === name) live.textContent = texts[name] ?? '';
    }, 2000);
  });

  // A page that comes back out of the browser's memory is an old one.
  window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

  reveal(document);
  pause.hidden = false;
  pause.setAttribute('aria-pressed', 'false');
  start();
})();
