// Alerts and engines.

import { asked, loadAlerts, openAlerts } from './alerts.js';
import { get } from './api.js';
import { muteEngine, sync } from './commands.js';
import { eventLine } from './events.js';
import { h, show } from './dom.js';
import { LOOKS, instant, look, since, span } from './format.js';
import { store, touch } from './store.js';

export class Alerts {
  constructor() {
    this.open = h('div', {});
    this.unwell = h('ul', { class: 'cards' });
    this.past = h('ol', { class: 'events' });
    this.node = h('section', { class: 'page' }, h('h2', {}, 'Alerts'), this.open, h('h3', {}, 'Needs someone now'), this.unwell, h('h3', {}, 'Errors and alerts, the latest first'), this.past);
    this.refresh(new Set(['states', 'events', 'alerts']));
    loadAlerts().then(() => touch('alerts'));
  }

  end() {}

  refresh(changed) {
    if (changed.has('alerts')) {
      const alerts = openAlerts();
      const none = asked.problem ? `Alerts are not available: ${asked.problem}` : asked.known ? 'No alert is open.' : 'Loading …';
      show(this.open, alerts.length ? h('ul', { class: 'cards' }, alerts.map((alert) => h('li', { class: 'card failing' }, h('span', { class: 'shape', 'aria-hidden': 'true' }, '▲'),
        alert.workspace_id ? h('a', { href: `#/w/${encodeURIComponent(alert.workspace_id)}` }, alert.workspace_id) : h('b', {}, `engine ${alert.engine_id}`), h('span', {}, alert.message ?? `${alert.rule}: ${alert.metric} ${alert.value} over ${alert.threshold}`), h('span', { class: 'soft' }, alert.since ? `for ${since(alert.since)}` : '')))) : h('p', { class: 'soft' }, none));
    }
    if (changed.has('states')) {
      const found = [...store.workspaces.values()].filter((state) => LOOKS[look(state)].rank < 3).sort((a, b) => LOOKS[look(a)].rank - LOOKS[look(b)].rank).slice(0, 200);
      show(this.unwell, found.length ? found.map((state) => h('li', { class: `card ${look(state)}` }, h('span', { class: 'shape', 'aria-hidden': 'true' }, LOOKS[look(state)].shape), h('b', {}, LOOKS[look(state)].word),
        h('a', { href: `#/w/${encodeURIComponent(state.workspace_id)}` }, state.name), h('span', {}, state.reason), h('span', { class: 'soft' }, `for ${since(state.status_since)}`))) : h('li', { class: 'soft' }, 'Nothing is failing, degraded or stale.'));
    }
    if (changed.has('events')) {
      const told = store.events.filter(({ type }) => /^(error|recovery|alert_)/.test(type)).reverse().slice(0, 200);
      show(this.past, told.length ? told.map((event) => eventLine(event)) : h('li', { class: 'soft' }, 'None lately.'));
    }
  }
}

export class Engines {
  constructor() {
    this.engines = h('div', {});
    this.lag = h('div', {});
    this.node = h('section', { class: 'page' }, h('div', { class: 'bar-of' }, h('h2', {}, 'Engines'), h('button', { type: 'button', onclick: () => sync({}, null) }, 'List all now')), this.engines, h('h3', {}, 'How far behind the dashboard is'), this.lag);
    this.timer = setInterval(() => document.visibilityState === 'visible' && this.load(), 5000);
    this.load();
  }

  end() {
    clearInterval(this.timer);
  }

  refresh() {}

  async load() {
    const [engines, statistics] = await Promise.allSettled([get('engines'), get('statistics')]);
    show(this.engines, engines.status === 'fulfilled' ? this.table(Array.isArray(engines.value) ? engines.value : engines.value.engines ?? []) : h('p', { class: 'soft' }, `Engines are not available: ${engines.reason.message}`));
    show(this.lag, statistics.status === 'fulfilled' ? this.figures(statistics.value) : h('p', { class: 'soft' }, `Not available: ${statistics.reason.message}`));
  }

  table(engines) {
    if (!engines.length) return h('p', { class: 'soft' }, 'No engine has shown a container yet.');
    return h('table', {}, h('thead', {}, h('tr', {}, ['Engine', 'Status', 'Workspaces', 'Containers', 'Last listing', 'Id', 'Commands'].map((word) => h('th', { scope: 'col' }, word)))),
      h('tbody', {}, engines.map((engine) => h('tr', {}, h('td', {}, h('b', {}, engine.name)),
        h('td', {}, h('span', { class: `dot-of ${engineLook(engine)}`, 'aria-hidden': 'true' }, LOOKS[engineLook(engine)].shape), ` ${engineWords(engine)}`),
        h('td', {}, engine.workspaces), h('td', {}, `${engine.running} running of ${engine.containers}`), h('td', { title: instant(engine.last_listing) }, engine.last_listing ? `${span(engine.lag_seconds)} ago` : 'never'), h('td', {}, h('code', {}, engine.id)),
        h('td', { class: 'commands' }, h('button', { type: 'button', 'aria-label': `List ${engine.name} now`, onclick: () => sync({ engine: engine.id }, engine.name) }, 'List now'),
          h('button', { type: 'button', 'aria-label': `Mute all of ${engine.name}`, onclick: () => muteEngine(engine.name, true) }, 'Mute'), h('button', { type: 'button', 'aria-label': `Unmute all of ${engine.name}`, onclick: () => muteEngine(engine.name, false) }, 'Unmute'))))));
  }

  figures(said) {
    const rows = Object.entries(said.lag ?? {}).map(([topic, behind]) => [topic, behind < 0 ? 'not known' : behind === 0 ? 'nothing to catch up' : `${behind} records behind`]);
    rows.push(['listeners on the WebSocket', said.listeners ?? '–'], ['records that could not be read', said.skipped ?? '–']);
    return h('table', {}, h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))));
  }
}

const engineLook = (engine) => ({ ok: 'active', failing: 'failing' }[engine.state] ?? 'stale');

function engineWords({ state, problem, error }) {
  const why = error ?? problem;
  if (state === 'ok') return 'heard';
  if (state === 'failing') return `failing: ${why}`;
  return why && why !== 'engine_silent' ? `silent: ${why}; what is shown is the last known` : 'silent: what is shown is the last known';
}
