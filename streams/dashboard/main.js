// Composition: what address shows which view, the header, the keys.

import { openAlerts } from './alerts.js';
import { decoded, takeTokenFromAddress } from './api.js';
import { Detail } from './detail.js';
import { setText, show } from './dom.js';
import { Events } from './events.js';
import { Alerts, Engines } from './fleet.js';
import { List } from './list.js';
import { login } from './login.js';
import { start, store, touch, watch } from './store.js';
import { TimeBar } from './time.js';

const main = document.getElementById('main');
const live = document.getElementById('live');
const list = new List((id) => { location.hash = `#/w/${encodeURIComponent(id)}`; });
const bar = new TimeBar(document.getElementById('time-bar'), document.getElementById('back-in-time'));
const PAGES = new Map([['events', Events], ['alerts', Alerts], ['engines', Engines]]);
let view = null; // what is shown beside or instead of the list

const home = () => { location.hash = '#/'; };

function route() {
  view?.end();
  view = null;
  const [, name, ...rest] = location.hash.split('/');
  const id = name === 'w' ? decoded(rest.join('/')) : null;
  const page = PAGES.get(name);
  for (const link of document.querySelectorAll('nav a')) {
    const here = link.dataset.view === (page ? name : 'workspaces');
    if (here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  if (page) {
    view = new page();
    show(main, view.node);
  } else if (id) {
    view = new Detail(id, home);
    show(main, list.node, view.node);
    document.title = `${id} · wst`;
  } else show(main, list.node);
  main.className = page ? 'one' : id ? 'two' : 'one whole';
  if (!id) document.title = 'wst';
  list.choose(id ?? (page ? null : list.chosen));
  if (!page) list.update();
  if (id && matchMedia('(max-width: 900px)').matches) view.title.focus();
}

let due = null;
watch((changed) => {
  if (changed.has('live')) sayLive();
  if (main.contains(list.node) && (changed.has('states') || changed.has('metrics') || changed.has('live') || changed.has('alerts'))) {
    // Figures of a thousand workspaces come in bursts: the list follows at most five times a second, a status at once.
    if (changed.has('states') || changed.has('alerts')) list.update();
    else if (!due) due = setTimeout(() => { due = null; if (main.contains(list.node)) list.update(); }, 200);
  }
  if (changed.has('as-of') && view instanceof Detail) route();
  else view?.refresh(changed);
  if (changed.has('alerts') || changed.has('states')) countAlerts();
});

function sayLive() {
  live.className = `live ${store.live}`;
  setText(live.querySelector('.words'), { live: 'live', connecting: 'connecting', lost: 'not connected' }[store.live]);
}

function countAlerts() {
  // What was forgotten is nobody's concern any more.
  const count = openAlerts().filter(({ workspace_id: id }) => !id || store.workspaces.has(id)).length;
  const badge = document.getElementById('alert-count');
  badge.hidden = count === 0;
  setText(badge, String(count));
}

function toggleTheme() {
  const dark = (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('wst-theme', document.documentElement.dataset.theme);
  touch('states'); touch('events');
  view?.load?.();
}

function search() {
  if (!main.contains(list.node)) {
    home();
    route();
  }
  list.search.focus();
}

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select');
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape') { if (typing) { event.preventDefault(); event.target.blur(); } else if (!bar.node.hidden) bar.toggle(false); else if (view instanceof Detail) home(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { '/': search, t: () => bar.toggle(), d: toggleTheme, g: home, e: () => { location.hash = '#/events'; }, a: () => { location.hash = '#/alerts'; } }[event.key];
  if (act) { event.preventDefault(); act(); }
});
document.getElementById('theme').addEventListener('click', toggleTheme);
document.getElementById('back-in-time').addEventListener('click', () => bar.toggle());
const theme = localStorage.getItem('wst-theme');
if (theme) document.documentElement.dataset.theme = theme;
window.addEventListener('hashchange', () => { takeTokenFromAddress(); route(); });
setInterval(() => { if (document.visibilityState === 'visible' && main.contains(list.node)) list.draw(); }, 5000);
route();
start(login);
