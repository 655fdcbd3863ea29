// The page's own script: it puts what the server sends in its place, says when nothing comes any more, and makes the button one that has to be
// armed and held. Everything that is shown is made by the server.
'use strict';
(() => {
  const root = document.documentElement, live = document.body.dataset.live;
  const lost = document.getElementById('lost');
  let heard = Date.now(), ticked = performance.now(), behind = '';
  const hear = () => { heard = Date.now(); ticked = performance.now(); };

  // After so long without a word from the console nothing on the page is taken for true.
  const PATIENCE = 4000;

  // An element becomes the fresh one where it stands: who presses it, types into it, or is on it with the keyboard or a reader's eye stays there.
  const become = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) { if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue; return; }
    if (old.isEqualNode(fresh) || fresh.dataset?.load) return; // what is loaded once stays
    // A form is about what it was about when somebody read it: one that is about something else is another form.
    if (old.localName === 'form') { old.replaceWith(fresh); return; }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === 'open' && old.id)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const kept = child.id && [...old.children].find((e) => e.id === child.id);
      if (kept && kept !== at) { old.insertBefore(kept, at); at = kept; }
      if (at && at.nodeName === child.nodeName && (at.id || '') === (child.id || '')) {
        const next = at.nextSibling;
        become(at, child);
        at = next;
      } else {
        old.insertBefore(child, at);
      }
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };

  // Times come in UTC, which stays: the reader's own is put before it, where theirs is another.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const two = (n) => String(n).padStart(2, '0');
  const dayOf = (d) => d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate());
  const local = (box) => {
    for (const e of box.querySelectorAll('time[data-local]')) {
      const at = new Date(e.dateTime), east = -at.getTimezoneOffset(), utc = e.textContent;
      if (!(at.getTime() >= 0) || east === 0) continue;
      let text = two(at.getHours()) + ':' + two(at.getMinutes());
      if (/:\d\d:\d\d/.test(utc)) text += ':' + two(at.getSeconds());
      const millis = /\.\d{3}/.exec(utc);
      if (millis) text += millis[0];
      if (e.dataset.local === 'stamp') text = dayOf(at) + ' ' + text + ' ' + (east < 0 ? '−' : '+') + two(Math.floor(Math.abs(east) / 60)) + ':' + two(Math.abs(east) % 60);
      else if (dayOf(at) !== dayOf(new Date())) text = at.toLocaleDateString(root.lang === 'en' ? 'en-GB' : root.lang, { day: 'numeric', month: 'short' }) + ' ' + text;
      const small = document.createElement('small');
      small.textContent = utc + (utc.endsWith('UTC') ? '' : ' UTC');
      e.replaceChildren(text + ' ', small);
    }
  };
  local(document);
  const says = document.getElementById('zone');
  if (says && new Date().getTimezoneOffset() !== 0) says.textContent = says.dataset.here.replace('{zone}', zone);

  const put = (id, html) => {
    const old = document.getElementById(id);
    if (!old) return;
    const box = document.createElement('template');
    box.innerHTML = html;
    const fresh = box.content.firstElementChild;
    if (!fresh) return;
    local(box.content);
    if (old.nodeName === fresh.nodeName) become(old, fresh); else old.replaceWith(fresh);
    document.dispatchEvent(new Event('sure'));
  };

  const stillThere = () => {
    // One clock stands while the machine sleeps, the other one can be set back: whichever says more counts.
    const gone = Math.max(Date.now() - heard, performance.now() - ticked) > PATIENCE;
    root.toggleAttribute('data-lost', gone);
    if (gone && lost.hidden) {
      document.getElementById('lost-at').textContent = (behind || new Date(heard).toISOString().slice(11, 19)) + ' UTC.';
    }
    lost.hidden = !gone;
    document.dispatchEvent(new Event('sure'));
  };

  if (live) {
    let source = null, rest = 0;
    const end = () => { source?.close(); source = null; };
    const begin = () => {
      end();
      source = new EventSource(live);
      source.addEventListener('put', (e) => { hear(); const m = JSON.parse(e.data); put(m.id, m.html); });
      source.addEventListener('beat', (e) => { hear(); behind = e.data; stillThere(); });
      // A page of another version of the console: its fragments no longer fit.
      source.addEventListener('reload', () => location.reload());
      source.onerror = () => { if (source?.readyState === EventSource.CLOSED) { end(); setTimeout(() => { if (!source && !document.hidden) begin(); }, 1500); } };
    };
    begin();
    // A browser has few connections to one host: a page that nobody sees lets go of its own after a while, and says that it is out of date until it has it again.
    document.addEventListener('visibilitychange', () => {
      clearTimeout(rest);
      if (document.hidden) rest = setTimeout(end, 20000);
      else if (!source) begin();
    });
    addEventListener('pagehide', end);
    addEventListener('pageshow', (e) => { if (e.persisted) begin(); });
    setInterval(stillThere, 500);
  }

  for (const box of document.querySelectorAll('[data-load]')) {
    fetch(box.dataset.load, { headers: { 'X-Fragment': '1' } }).then((r) => r.ok ? r.text() : '').then((html) => { if (html) put(box.id, html); }, () => {});
  }

  const form = document.getElementById('fire'), red = document.getElementById('red'), arm = document.getElementById('arm');
  if (!form || !red || !arm) return;
  const how = document.getElementById('red-how'), label = red.querySelector('.label'), held = document.getElementById('held'), reason = document.getElementById('reason');
  const blocks = [...form.querySelectorAll('[data-block]')];
  let timer = 0, state = 'off', dead = false;

  const say = (what) => { how.textContent = how.dataset[what]; };
  const ready = () => !dead && arm.checked && blocks.every((b) => b.checked) && (!blocks.some((b) => b.name === 'override') || reason.value.trim() !== '');
  const show = () => {
    red.setAttribute('aria-disabled', String(!ready()));
    red.classList.toggle('holding', state === 'holding');
    red.classList.toggle('full', state === 'full');
    label.textContent = state === 'full' || state === 'fired' ? label.dataset.full : label.dataset.hold;
  };
  const rest = (word) => { clearTimeout(timer); state = 'off'; show(); say(word || (ready() ? 'armed' : 'off')); };
  const press = () => {
    if (state !== 'off' || !ready()) return;
    state = 'holding'; show(); say('holding');
    timer = setTimeout(() => { state = 'full'; show(); say('full'); }, Number(red.dataset.hold));
  };
  const release = () => {
    if (state === 'holding') return rest('cancelled');
    if (state !== 'full') return;
    if (!ready()) return rest('cancelled');
    state = 'fired'; held.value = 'yes'; say('fired'); show();
    form.submit();
  };
  const callOff = () => { if (state === 'holding' || state === 'full') rest('cancelled'); };

  red.type = 'button';
  form.addEventListener('submit', (e) => e.preventDefault()); // Enter in a field presses nothing
  form.addEventListener('input', () => rest());
  red.addEventListener('pointerdown', (e) => { if (e.button === 0) press(); });
  red.addEventListener('pointerup', (e) => { // a finger that slid off the button still belongs to it
    const r = red.getBoundingClientRect();
    if (e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom) callOff(); else release();
  });
  red.addEventListener('pointerleave', callOff);
  red.addEventListener('pointercancel', callOff);
  red.addEventListener('contextmenu', (e) => e.preventDefault());
  red.addEventListener('keydown', (e) => {
    if (e.key === ' ' || e.key === 'Enter') { e.preventDefault(); if (!e.repeat) press(); }
    if (e.key === 'Escape') callOff();
  });
  red.addEventListener('keyup', (e) => { if (e.key === ' ' || e.key === 'Enter') { e.preventDefault(); release(); } });
  red.addEventListener('blur', callOff);
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape') callOff(); });
  // As long as nobody can say that the plan still holds, or it does not, nothing can be armed. Once it is again the one that is shown, it can: anew.
  const sure = () => {
    const off = root.hasAttribute('data-lost') || !!document.querySelector('[data-disarm]');
    if (off === dead) return;
    dead = arm.disabled = off;
    arm.checked = false;
    rest('off');
  };
  document.addEventListener('sure', sure);
  addEventListener('pageshow', () => { arm.checked = false; held.value = ''; rest(); });
  rest();
  sure();
})();
