// The list of workspaces. Only the rows that can be seen exist; they are re-used while one scrolls.

import { alertsOf } from './alerts.js';
import { h, s, setAttribute, setText } from './dom.js';
import { LOOKS, bytes, look, pair, percent, rate, since } from './format.js';
import { shownWorkspaces, store } from './store.js';

const ROW = 40;
const SPARE = 6;
const SORTS = {
  status: (a, b) => LOOKS[look(a)].rank - LOOKS[look(b)].rank || compare(a.name, b.name),
  name: (a, b) => compare(a.name, b.name),
  containers: (a, b) => b.running - a.running,
  cpu: (a, b) => down(a.metrics.cpu_percent, b.metrics.cpu_percent),
  memory: (a, b) => down(a.metrics.memory_usage, b.metrics.memory_usage),
  network: (a, b) => down(flow(a), flow(b)),
  since: (a, b) => compare(b.status_since ?? '', a.status_since ?? ''),
};
const COLUMNS = [
  ['status', 'Status'], ['name', 'Workspace'], ['containers', 'Running'], ['cpu', 'CPU'], ['memory', 'Memory'], ['network', 'Network'],
  ['since', 'For'], [null, 'Why'],
];

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const down = (a, b) => (b ?? -1) - (a ?? -1);
const flow = (state) => {
  const { network_rx_bytes_per_second: rx, network_tx_bytes_per_second: tx } = state.metrics;
  return rx === null && tx === null ? null : (rx ?? 0) + (tx ?? 0);
};

// Of a past instant it is not known which alerts lasted then.
const alarmsOf = (id) => (store.asOf ? [] : alertsOf(id));

export class List {
  constructor(open) {
    this.open = open;
    this.sort = 'status';
    this.wanted = { text: '', looks: new Set(), alerts: false };
    this.chosen = null;
    this.found = [];
    this.rows = [];
    this.counts = {};
    this.search = h('input', {
      type: 'search', id: 'search', placeholder: 'Search name, image, label, engine   /', 'aria-label': 'Search workspaces', autocomplete: 'off',
      spellcheck: 'false', oninput: () => { this.wanted.text = this.search.value.trim().toLowerCase(); this.scroller.scrollTop = 0; this.update(); },
    });
    this.filters = h('div', { class: 'filters', role: 'group', 'aria-label': 'Only these' });
    this.buttons = Object.entries(LOOKS).map(([name, { word, shape }]) => this.filter(name, word, shape));
    this.alarms = this.chip('alarms', '!', 'Alerts', () => { this.wanted.alerts = !this.wanted.alerts; return this.wanted.alerts; });
    this.heads = COLUMNS.map(([key, word]) => this.head(key, word));
    this.body = h('div', { class: 'rows', role: 'rowgroup' });
    this.empty = h('p', { class: 'empty', hidden: true });
    this.scroller = h('div', { class: 'scroller', tabindex: '0', role: 'grid', 'aria-label': 'Workspaces', onscroll: () => this.draw(), onkeydown: (e) => this.key(e) },
      h('div', { class: 'row head', role: 'row' }, this.heads), this.body, this.empty);
    this.totals = h('p', { class: 'totals' });
    this.node = h('section', { class: 'list', 'aria-label': 'Workspaces' }, h('div', { class: 'tools' }, this.search, this.filters, this.totals), this.scroller);
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  filter(name, word, shape) {
    return this.chip(name, shape, word, () => {
      const on = !this.wanted.looks.delete(name);
      if (on) this.wanted.looks.add(name);
      return on;
    });
  }

  // A button that filters: `toggle` says whether it is on now.
  chip(name, shape, word, toggle) {
    const count = h('span', { class: 'number' }, '0');
    const button = h('button', {
      type: 'button', class: `chip ${name}`, 'aria-pressed': 'false', onclick: () => {
        button.setAttribute('aria-pressed', String(toggle()));
        this.scroller.scrollTop = 0;
        this.update();
      },
    }, h('span', { class: 'shape', 'aria-hidden': 'true' }, shape), word, count);
    this.filters.append(button);
    return { name, button, count };
  }

  head(key, word) {
    if (key === null) return h('span', { role: 'columnheader', class: 'why' }, word);
    const button = h('button', { type: 'button', onclick: () => { this.sort = key; this.update(); } }, word);
    const cell = h('span', { role: 'columnheader', class: key, 'aria-sort': 'none' }, button);
    cell.key = key;
    return cell;
  }

  choose(id) {
    this.chosen = id;
    this.draw();
  }

  update() {
    const known = store.loaded || store.asOf;
    const counts = Object.fromEntries(Object.keys(LOOKS).map((name) => [name, 0]));
    const found = [];
    let cpu = 0; let memory = 0; let running = 0; let alarmed = 0;
    for (const state of shownWorkspaces().values()) {
      const name = look(state);
      counts[name] += 1;
      running += state.running;
      cpu += state.metrics.cpu_percent ?? 0;
      memory += state.metrics.memory_usage ?? 0;
      const alarm = alarmsOf(state.workspace_id).length > 0;
      if (alarm) alarmed += 1;
      if ((!this.wanted.alerts || alarm) && (!this.wanted.looks.size || this.wanted.looks.has(name)) && this.matches(state)) found.push(state);
    }
    found.sort((a, b) => SORTS[this.sort](a, b) || compare(a.workspace_id, b.workspace_id));
    this.found = found;
    this.counts = counts;
    for (const { name, button, count } of [...this.buttons, this.alarms]) {
      const number = counts[name] ?? alarmed;
      setText(count, known ? String(number) : '–');
      button.classList.toggle('none', number === 0);
    }
    const all = shownWorkspaces().size;
    setText(this.totals, !known ? 'Loading …' : `${found.length === all ? all : `${found.length} of ${all}`} workspaces · ${running} containers · ${percent(cpu)} CPU · ${bytes(memory)}`);
    for (const head of this.heads) if (head.key) setAttribute(head, 'aria-sort', head.key === this.sort ? (['status', 'name'].includes(head.key) ? 'ascending' : 'descending') : 'none');
    this.empty.hidden = found.length > 0;
    setText(this.empty, !known ? 'Loading …' : all ? 'No workspace is like that.' : store.asOf ? 'There was no workspace at that time.' : 'No workspace yet. Start a container, and it appears here.');
    this.body.style.height = `${found.length * ROW}px`;
    setAttribute(this.scroller, 'aria-rowcount', String(found.length + 1));
    this.draw();
  }

  matches(state) {
    const { text } = this.wanted;
    if (!text) return true;
    const has = (value) => value !== null && value !== undefined && String(value).toLowerCase().includes(text);
    return has(state.name) || has(state.workspace_id) || has(state.reason)
      || state.containers.some((one) => has(one.name) || has(one.image) || has(one.engine) || has(one.service))
      || Object.entries(state.labels).some(([name, value]) => has(`${name}=${value}`));
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
    const count = Math.min(this.found.length - first, Math.ceil(this.scroller.clientHeight / ROW) + 2 * SPARE);
    while (this.rows.length < count) { const row = new Row(this); this.rows.push(row); this.body.append(row.node); }
    const now = store.asOf ? store.asOf.at : Date.now();
    this.rows.forEach((row, index) => (index < count ? row.fill(this.found[first + index], first + index, now) : row.hide()));
    const chosen = this.rows.find((row) => row.key !== null && row.key === this.chosen);
    setAttribute(this.scroller, 'aria-activedescendant', chosen ? chosen.node.id : null);
  }

  key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };
    const at = this.found.findIndex((state) => state.workspace_id === this.chosen);
    if (event.key in moves && this.found.length) {
      event.preventDefault();
      const next = Math.min(this.found.length - 1, Math.max(0, (at < 0 ? -1 : at) + moves[event.key]));
      this.chosen = this.found[next].workspace_id;
      const top = next * ROW;
      const height = this.scroller.clientHeight - ROW;
      if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
      else if (top + ROW > this.scroller.scrollTop + height) this.scroller.scrollTop = top + ROW - height;
      this.draw();
    } else if (event.key === 'Enter' && at >= 0 && event.target === this.scroller) this.open(this.chosen);
  }
}

class Row {
  constructor(list) {
    this.list = list;
    this.cells = Object.fromEntries(['containers', 'since', 'why'].map((name) => [name, h('span', { class: name, role: 'gridcell' })]));
    this.shape = h('span', { class: 'shape', 'aria-hidden': 'true' });
    this.word = h('span', { class: 'word' });
    this.name = h('a', { class: 'link', draggable: 'false' });
    this.id = h('span', { class: 'id' });
    this.alarm = h('span', { class: 'alarm', role: 'img', hidden: true });
    this.spark = s('polyline', { class: 'spark' });
    this.cpu = h('span', { class: 'figure' });
    this.memory = h('span', { class: 'figure' });
    this.bar = h('span', { class: 'level' });
    this.rx = h('span', { class: 'figure' });
    this.tx = h('span', { class: 'figure' });
    this.node = h('div', { class: 'row', role: 'row', onclick: (event) => { if (!event.target.closest('a')) list.open(this.key); } },
      h('span', { class: 'status', role: 'gridcell' }, this.shape, this.word),
      h('span', { class: 'name', role: 'gridcell' }, this.name, this.alarm, this.id),
      this.cells.containers,
      h('span', { class: 'cpu', role: 'gridcell' }, s('svg', { viewBox: '0 0 64 20', 'aria-hidden': 'true', preserveAspectRatio: 'none' }, this.spark), this.cpu),
      h('span', { class: 'memory', role: 'gridcell' }, h('span', { class: 'bar', 'aria-hidden': 'true' }, this.bar), this.memory),
      h('span', { class: 'network', role: 'gridcell' }, h('span', { class: 'way', 'aria-label': 'in' }, '↓'), this.rx, h('span', { class: 'way', 'aria-label': 'out' }, '↑'), this.tx),
      this.cells.since, this.cells.why);
  }

  hide() {
    this.node.hidden = true;
    this.node.removeAttribute('id');
    setAttribute(this.node, 'aria-selected', 'false');
    this.key = null;
  }

  fill(state, index, now) {
    const name = look(state);
    this.key = state.workspace_id;
    this.node.hidden = false;
    const top = `translateY(${index * ROW}px)`;
    if (this.node.style.transform !== top) this.node.style.transform = top;
    setAttribute(this.node, 'class', `row ${name}${state.workspace_id === this.list.chosen ? ' chosen' : ''}${index % 2 ? ' odd' : ''}`);
    setAttribute(this.node, 'aria-rowindex', String(index + 2));
    setAttribute(this.node, 'aria-selected', String(state.workspace_id === this.list.chosen));
    // By its place in the list, not among the rows that are re-used: another row is then told as another.
    setAttribute(this.node, 'id', `row-${index}`);
    setText(this.shape, LOOKS[name].shape);
    setText(this.word, LOOKS[name].word);
    setText(this.name, state.name);
    setAttribute(this.name, 'href', `#/w/${encodeURIComponent(state.workspace_id)}`);
    setText(this.id, state.workspace_id === state.name ? '' : state.workspace_id);
    setText(this.cells.containers, pair(state.running, state.total));
    this.alarms(alarmsOf(state.workspace_id));
    this.figures(state);
    setText(this.cells.since, since(state.status_since, now));
    setText(this.cells.why, state.reason);
    setAttribute(this.cells.why, 'title', state.reason);
  }

  alarms(alerts) {
    this.alarm.hidden = alerts.length === 0;
    if (!alerts.length) return;
    const words = `${alerts.length} alert${alerts.length === 1 ? '' : 's'}: ${alerts.map(({ rule }) => rule).join(', ')}`;
    setText(this.alarm, `! ${alerts.length}`);
    setAttribute(this.alarm, 'aria-label', words);
    setAttribute(this.alarm, 'title', words);
  }

  figures(state) {
    const { metrics } = state;
    setText(this.cpu, percent(metrics.cpu_percent));
    setText(this.memory, bytes(metrics.memory_usage));
    setText(this.rx, rate(metrics.network_rx_bytes_per_second));
    setText(this.tx, rate(metrics.network_tx_bytes_per_second));
    const level = `${Math.min(100, metrics.memory_percent ?? 0).toFixed(1)}%`;
    if (this.bar.style.width !== level) this.bar.style.width = level;
    this.bar.classList.toggle('much', (metrics.memory_percent ?? 0) >= 85);
    const trend = store.asOf ? null : store.trends.get(state.workspace_id);
    setAttribute(this.spark, 'points', trend ? line(trend.cpu) : '');
  }
}

function line(values) {
  const known = values.map((value) => value ?? 0);
  const most = Math.max(5, ...known);
  return known.map((value, index) => `${(64 - (known.length - 1 - index) * 2).toFixed(0)},${(19 - (value / most) * 18).toFixed(1)}`).join(' ');
}
