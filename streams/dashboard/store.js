// What is known, kept up to date by the stream. Whoever shows something asks to be told; telling is once per frame.

import { hearAlerts, loadAlerts } from './alerts.js';
import { ApiError, get, openStream } from './api.js';
import { note } from './dom.js';
import { takeFirstRows } from './first.js';

const TREND = 32;
const EVENTS = 500;
const SHOWN_MS = 250;
const FIRST_MS = 30000; // so long the first answer may take
const HEARTBEAT_S = 15; // until the server has said its own
const HEARTBEATS = 2.5; // so many without a word, and the connection is gone, though nobody has said so
const RETRY_MS = [500, 1000, 2000, 5000, 10000];

export const store = {
  workspaces: new Map(),
  trends: new Map(),
  events: [],
  live: 'connecting',
  loaded: false,
  asOf: null, // { at, workspaces } while the page shows a past instant
};

const watchers = new Set();
let planned = false;
let changed = new Set();

export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function touch(what) {
  changed.add(what);
  if (planned) return;
  planned = true;
  requestAnimationFrame(tell);
}

function tell() {
  planned = false;
  const said = changed;
  changed = new Set();
  for (const watcher of [...watchers]) watcher(said);
}

export const shownWorkspaces = () => (store.asOf ? store.asOf.workspaces : store.workspaces);

let place = null;
let failures = 0;
let newer = null; // ids that came by the stream while the whole list was under way: the stream's are newer
let onLogin = null;

export function start(askForToken) {
  onLogin = askForToken;
  connect();
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && touch('states'));
}

async function connect() {
  setLive('connecting');
  try {
    const rows = await (takeFirstRows() ?? get('workspaces', { limit: 1 }, AbortSignal.timeout(FIRST_MS)));
    if (!store.loaded) await showFirst(rows);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return onLogin(connect);
    return again();
  }
  return follow(openStream(place));
}

function follow(socket) {
  let heartbeat = HEARTBEAT_S;
  let quiet = null;
  const link = { over: false, end };
  // Its close is not waited for: where the other side is gone it takes minutes.
  function end() {
    if (link.over) return;
    link.over = true;
    clearTimeout(quiet);
    socket.close();
    again();
  }
  function heard() {
    clearTimeout(quiet);
    quiet = setTimeout(end, HEARTBEATS * heartbeat * 1000);
  }
  socket.onmessage = (message) => {
    if (link.over) return;
    const said = JSON.parse(message.data);
    heartbeat = said.heartbeat_seconds ?? heartbeat;
    heard();
    take(said);
  };
  socket.onopen = () => load(link);
  socket.onclose = end;
  heard();
}

// The top of the list is on the screen before the whole of it is asked for: both at once would be waited for together.
function showFirst(rows) {
  for (const state of rows) put(state);
  changed.add('states');
  tell();
  // A page that nobody sees draws no frame.
  return new Promise((go) => { requestAnimationFrame(() => setTimeout(go)); setTimeout(go, SHOWN_MS); });
}

function again() {
  setLive('lost');
  const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
  failures += 1;
  setTimeout(connect, wait * (0.8 + Math.random() * 0.4));
}

function setLive(live) {
  store.live = live;
  touch('live');
}

async function load(link) {
  const heard = new Set();
  newer = heard;
  try {
    const [all, past] = await Promise.all([
      get('workspaces'),
      store.events.length ? { events: [] } : get('events', { limit: 200, newest_first: true }).catch(() => ({ events: [] })),
    ]);
    if (link.over) return;
    const ids = new Set(all.map((state) => state.workspace_id));
    for (const id of store.workspaces.keys()) if (!ids.has(id) && !heard.has(id)) store.workspaces.delete(id);
    for (const state of all) if (!heard.has(state.workspace_id)) put(state);
    addEvents(past.events.reverse());
    store.loaded = true;
    failures = 0;
    setLive('live');
    touch('states');
    loadAlerts().then(() => touch('alerts'));
  } catch {
    link.end();
  } finally {
    if (newer === heard) newer = null;
  }
}

function put(state) {
  store.workspaces.set(state.workspace_id, state);
  trend(state.workspace_id, state.metrics);
}

function trend(id, metrics) {
  if (metrics.sampled_at === null) return;
  let known = store.trends.get(id);
  if (!known) store.trends.set(id, (known = { at: null, cpu: [] }));
  if (known.at === metrics.sampled_at) return;
  known.at = metrics.sampled_at;
  known.cpu.push(metrics.cpu_percent);
  if (known.cpu.length > TREND) known.cpu.shift();
}

function take(said) {
  if (said.position) place = said.position;
  if (said.type === 'events') addEvents(said.events);
  else if (said.type === 'gap') fillGap();
  else if (said.type === 'states') {
    for (const state of said.workspaces) { newer?.add(state.workspace_id); put(state); }
    touch('states');
  } else if (said.type === 'metrics') {
    for (const { workspace_id: id, metrics } of said.workspaces) {
      const state = store.workspaces.get(id);
      if (!state) continue;
      newer?.add(id);
      put({ ...state, metrics });
    }
    touch('metrics');
  } else if (said.type === 'gone') {
    for (const id of said.workspace_ids) { newer?.add(id); store.workspaces.delete(id); store.trends.delete(id); }
    touch('states');
  }
}

// What the stream could not give the archive may have by now; alerts among it count, whenever they were raised.
async function fillGap() {
  note('Some events were missed. Events shows those that the archive knows.');
  loadAlerts().then(() => touch('alerts'));
  const past = await get('events', { limit: 200, newest_first: true }).catch(() => ({ events: [] }));
  addEvents(past.events.reverse());
  store.events.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0));
}

const known = new Set();

function addEvents(events) {
  const fresh = events.filter((event) => !known.has(event.id));
  if (!fresh.length) return;
  for (const event of fresh) known.add(event.id);
  store.events.push(...fresh);
  while (store.events.length > EVENTS) known.delete(store.events.shift().id);
  touch('events');
  if (hearAlerts(fresh)) touch('alerts');
}
