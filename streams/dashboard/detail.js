// One workspace: how it is and why, what it used, what happened, what it is made of.

import { get, isMissing, workspacePath } from './api.js';
import { Chart } from './chart.js';
import { Commands } from './commands.js';
import { h, setText, show } from './dom.js';
import { DASH, LOOKS, bytes, instant, isFuture, look, moment, percent, rate, since, span } from './format.js';
import { shownWorkspaces, store } from './store.js';
import { eventLine } from './events.js';
import { Timeline } from './timeline.js';

const RANGES = [['15 min', 900], ['1 h', 3600], ['6 h', 6 * 3600], ['24 h', 86400], ['7 d', 7 * 86400], ['30 d', 30 * 86400]];

const ALL_CHARTS = [
  { title: 'CPU', text: percent, lines: [['mean', 'cpu_percent_mean', '--c1'], ['max', 'cpu_percent_max', '--c2']], least: 1 },
  { title: 'Memory', text: bytes, lines: [['mean', 'memory_used_bytes_mean', '--c1'], ['max', 'memory_used_bytes_max', '--c2']], binary: true },
  { title: 'Network', text: rate, lines: [['in', 'network_rx_bytes_per_second', '--c1'], ['out', 'network_tx_bytes_per_second', '--c2']], binary: true, least: 1 },
  { title: 'Disk', text: rate, lines: [['read', 'block_read_bytes_per_second', '--c1'], ['written', 'block_write_bytes_per_second', '--c2']], binary: true, least: 1 },
];

const AGAIN = 15;
const AGAIN_MS = 1000;
const knows = (said, state) => (!state ? store.loaded : ['status', 'condition', 'reason'].every((name) => said?.[name] === state[name]));

export class Detail {
  constructor(id, close) {
    this.id = id;
    this.range = 3600;
    this.fixed = null; // { from, to } in ms, once a range was drawn
    this.asking = new AbortController();
    this.asked = 0; // counts what was asked for the charts: an older answer may come later
    this.past = [];
    this.title = h('h2', { tabindex: '-1' });
    this.state = h('div', { class: 'state' });
    this.commands = new Commands();
    this.facts = h('dl', { class: 'facts' });
    this.why = h('div', { class: 'why-text' });
    this.containers = h('div', { class: 'containers' });
    this.events = h('ol', { class: 'events' });
    this.timeline = new Timeline();
    this.charts = ALL_CHARTS.map((each) => ({ ...each, chart: new Chart({ title: each.title, text: each.text, onrange: (from, to) => this.choose(from, to), onhover: (at) => this.hover(at) }) }));
    this.buttons = RANGES.map(([word, seconds]) => h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => { this.fixed = null; this.range = seconds; this.load(); } }, word));
    this.zoomed = h('button', { type: 'button', class: 'zoomed', hidden: true, title: 'Back to the chosen span', onclick: () => { this.fixed = null; this.load(); } });
    this.chartNote = h('p', { class: 'soft', hidden: true });
    this.node = h('section', { class: 'detail', 'aria-label': 'One workspace' },
      h('header', {}, h('div', { class: 'heading' }, this.title, h('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close (Esc)', onclick: close }, '✕')), h('div', { class: 'bar-of' }, this.state, this.commands.node)),
      h('div', { class: 'body' },
        this.facts,
        h('section', { class: 'block' }, h('h3', {}, 'Why'), this.why),
        h('section', { class: 'block' }, h('div', { class: 'bar-of' }, h('h3', {}, 'Use and status'), h('div', { class: 'ranges', role: 'group', 'aria-label': 'Time span' }, this.buttons, this.zoomed)),
          this.timeline.node, this.chartNote, h('div', { class: 'charts' }, this.charts.map(({ chart }) => chart.node))),
        h('section', { class: 'block' }, h('h3', {}, 'Containers'), this.containers),
        h('section', { class: 'block' }, h('h3', {}, 'Events'), this.events)));
    this.refresh(new Set(['states']));
    this.load();
    this.loadWhy();
    this.loadEvents();
    this.timer = setInterval(() => { if (!this.fixed && document.visibilityState === 'visible' && !store.asOf) this.load(); }, 10000);
  }

  end() {
    clearInterval(this.timer);
    clearTimeout(this.whyLater);
    this.asking.abort();
  }

  refresh(changed) {
    const state = shownWorkspaces().get(this.id);
    this.commands.set(store.asOf ? null : state);
    if (!state) {
      setText(this.title, this.id);
      if (store.loaded) show(this.state, h('span', { class: 'soft' }, store.asOf ? 'It was not there at that time.' : 'There is no such workspace, or not any more. Its past may still be below.'));
      return;
    }
    if (changed.has('states') || changed.has('metrics')) this.head(state);
    if (changed.has('states') && this.seq !== undefined && this.seq !== state.seq) this.loadWhy();
    this.seq = state.seq;
    if (changed.has('events')) this.showEvents();
  }

  head(state) {
    const name = look(state);
    setText(this.title, state.name);
    show(this.state, h('span', { class: `badge ${name}` }, h('span', { class: 'shape', 'aria-hidden': 'true' }, LOOKS[name].shape), LOOKS[name].word),
      h('span', { class: 'soft' }, `${state.status} for ${since(state.status_since, store.asOf ? store.asOf.at : Date.now())}`), h('code', {}, state.workspace_id), state.stale ? h('span', { class: 'tag' }, 'stale: last known') : null,
      isFuture(state.muted_until) ? h('span', { class: 'tag' }, `muted until ${moment(state.muted_until)}`) : null);
    const { metrics } = state;
    const limit = metrics.memory_limit ? ` of ${bytes(metrics.memory_limit)}` : '';
    const facts = [
      ['CPU', percent(metrics.cpu_percent)], ['Memory', `${bytes(metrics.memory_usage)}${limit}`], ['In', rate(metrics.network_rx_bytes_per_second)],
      ['Out', rate(metrics.network_tx_bytes_per_second)], ['Processes', metrics.pids ?? DASH], ['Running', `${state.running} of ${state.total}`],
      ['Up', span(metrics.uptime_seconds ?? undefined)], ['Errors', metrics.error_count],
    ];
    show(this.facts, facts.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));
    if (this.listed === state.containers) return; // figures come often: what is selected or scrolled there stays
    this.listed = state.containers;
    show(this.containers, state.containers.length ? this.table(state.containers) : h('p', { class: 'soft' }, 'None is left.'));
  }

  table(containers) {
    const words = ['Container', 'State', 'Image', 'Engine', 'Started', 'Note'];
    return h('table', {}, h('thead', {}, h('tr', {}, words.map((word) => h('th', { scope: 'col' }, word)))),
      h('tbody', {}, containers.map((one) => h('tr', { class: one.state },
        h('td', {}, h('b', {}, one.service || one.name), one.service && one.service !== one.name ? h('small', {}, one.name) : null),
        h('td', {}, h('span', { class: `dot-of ${containerLook(one)}`, 'aria-hidden': 'true' }, LOOKS[containerLook(one)].shape), ` ${one.state}${one.health ? `, ${one.health}` : ''}`),
        h('td', {}, one.image), h('td', {}, one.engine), h('td', {}, instant(one.started_at)), h('td', {}, containerNote(one))))));
  }

  choose(from, to) {
    this.fixed = { from, to };
    this.load();
  }

  hover(at) {
    for (const { chart } of this.charts) chart.hover(at);
  }

  span() {
    if (this.fixed) return this.fixed;
    const to = store.asOf ? store.asOf.at : Date.now();
    return { from: to - this.range * 1000, to };
  }

  async load() {
    this.asked += 1;
    const number = this.asked;
    const { from, to } = this.span();
    this.buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(!this.fixed && RANGES[index][1] === this.range)));
    this.zoomed.hidden = !this.fixed;
    setText(this.zoomed, `${moment(from)} – ${moment(to)}  ✕`);
    const asked = { since: new Date(from).toISOString(), until: new Date(to).toISOString() };
    const [use, past] = await Promise.allSettled([
      get(workspacePath(this.id, '/history'), asked, this.asking.signal),
      get(workspacePath(this.id, '/timeline'), { ...asked, type: ['error', 'status_changed'], limit: 500 }, this.asking.signal),
    ]);
    if (this.asking.signal.aborted || number !== this.asked) return;
    this.chartNote.hidden = use.status === 'fulfilled';
    if (use.status === 'fulfilled') this.plot(use.value, from, to);
    else setText(this.chartNote, isMissing(use.reason) ? 'Charts are not available: this API keeps no history.' : `Charts are not available: ${use.reason.message}`);
    if (past.status === 'fulfilled') this.timeline.set(past.value, from, to);
    else this.timeline.missing();
  }

  plot(use, from, to) {
    const points = use.points.filter((point) => Date.parse(point.start) < to);
    const times = points.map((point) => Date.parse(point.start) + (point.seconds * 1000) / 2);
    for (const { chart, lines, least, binary } of this.charts) {
      chart.set({ from, to, times, least, binary, lines: lines.map(([name, field, colour]) => ({ name, colour, values: points.map((point) => point[field] ?? null) })) });
    }
  }

  // The archive is a moment behind what the stream has told: as long as its answer is of before, it is asked again.
  async loadWhy(again = AGAIN) {
    clearTimeout(this.whyLater);
    const state = shownWorkspaces().get(this.id);
    const reason = state ? h('p', {}, state.reason, '.') : null;
    try {
      const said = await get(workspacePath(this.id, '/why'), store.asOf ? { at: new Date(store.asOf.at).toISOString() } : {}, this.asking.signal);
      show(this.why, ...whyText(said, reason));
      if (!knows(said, shownWorkspaces().get(this.id))) this.askWhyAgain(again);
    } catch (error) {
      if (this.asking.signal.aborted) return;
      if (isMissing(error) && !knows(null, shownWorkspaces().get(this.id))) this.askWhyAgain(again);
      show(this.why, reason, state?.last_error ? h('p', { class: 'soft' }, 'Last error: ', state.last_error) : null,
        h('p', { class: 'soft' }, isMissing(error) && store.asOf ? 'Nothing was known of it at that time.' : isMissing(error) ? 'The facts behind it are not available from this API.' : `The facts behind it are not available: ${error.message}`));
    }
  }

  askWhyAgain(again) {
    if (again > 0 && !store.asOf) this.whyLater = setTimeout(() => this.loadWhy(again - 1), AGAIN_MS);
  }

  async loadEvents() {
    try {
      const page = await get('events', { workspace: this.id, newest_first: true, limit: 50, ...(store.asOf ? { until: new Date(store.asOf.at).toISOString() } : {}) }, this.asking.signal);
      this.past = page.events;
    } catch { /* the stream's events are still shown */ }
    this.showEvents();
  }

  showEvents() {
    const seen = new Set(this.past.map((event) => event.id));
    const fresh = store.asOf ? [] : store.events.filter((event) => event.workspace_id === this.id && !seen.has(event.id)).reverse();
    const all = [...fresh, ...this.past].slice(0, 100);
    show(this.events, all.length ? all.map((event) => eventLine(event, false)) : h('li', { class: 'soft' }, 'Nothing is known to have happened.'));
  }
}

function containerLook(one) {
  if (one.state === 'running') return one.health === 'unhealthy' ? 'failing' : 'active';
  if (one.state === 'restarting' || one.oom_killed) return 'failing';
  if (one.state === 'exited' || one.state === 'dead') return one.exit_code && !one.stop_requested ? 'failing' : 'inactive';
  return 'degraded';
}

function containerNote(one) {
  const notes = [];
  if (one.oom_killed) notes.push('out of memory');
  if (one.exit_code !== null) notes.push(`exit ${one.exit_code}${one.exit_reason ? `: ${one.exit_reason}` : ''}`);
  if (one.restart_count) notes.push(`restarted ${one.restart_count}×`);
  if (one.error) notes.push(one.error);
  return notes.join(', ') || DASH;
}

function whyText(said, reason) {
  const causes = said.causes.map(({ of, container, facts }) => h('div', { class: 'cause' },
    h('h4', {}, container ?? of),
    h('ol', { class: 'chain' }, facts.map((fact) => h('li', { title: `${fact.topic}, partition ${fact.partition}, offset ${fact.offset}` }, h('time', { datetime: fact.time }, moment(fact.time)), ' ', fact.said)))));
  return [
    said.reason ? h('p', {}, said.reason, '.') : reason,
    causes,
    said.logs.length ? h('p', { class: 'next' }, 'Read next: ', said.logs.map((line) => h('code', {}, line))) : null,
  ];
}
