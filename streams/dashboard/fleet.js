// Alerts and engines.

import { get, isMissing } from './api.js';
import { eventLine } from './events.js';
import { h, show } from './dom.js';
import { LOOKS, instant, look, since } from './format.js';
import { store } from './store.js';

// Open alerts: of the API where it knows them, else of the events it has kept.
export async function openAlerts() {
  try {
    const said = await get('alerts');
    const all = Array.isArray(said) ? said : said.alerts ?? [];
    return all.filter((alert) => !alert.resolved_at && alert.state !== 'resolved');
  } catch (error) {
    if (!isMissing(error) && error.status !== 400) throw error;
  }
  const page = await get('events', { type: ['alert_raised', 'alert_resolved'], newest_first: true, limit: 1000 });
  const over = new Set();
  const open = [];
  for (const event of page.events) {
    const key = `${event.workspace_id} ${event.data.rule} ${event.data.container_id}`;
    if (!over.has(key) && event.type === 'alert_raised') open.push({ ...event.data, workspace_id: event.workspace_id, message: event.message });
    over.add(key);
  }
  return open;
}

export class Alerts {
  constructor() {
    this.open = h('div', {});
    this.unwell = h('ul', { class: 'cards' });
    this.past = h('ol', { class: 'events' });
    this.node = h('section', { class: 'page' }, h('h2', {}, 'Alerts'), this.open, h('h3', {}, 'Needs someone now'), this.unwell, h('h3', {}, 'Errors and alerts, the latest first'), this.past);
    this.load();
    this.refresh(new Set(['states', 'events']));
  }

  end() {}

  async load() {
    try {
      const alerts = await openAlerts();
      show(this.open, alerts.length ? h('ul', { class: 'cards' }, alerts.map((alert) => h('li', { class: 'card failing' }, h('span', { class: 'shape', 'aria-hidden': 'true' }, '▲'),
        h('a', { href: `#/w/${encodeURIComponent(alert.workspace_id ?? '')}` }, alert.workspace_id ?? ''), h('span', {}, alert.message ?? `${alert.rule}: ${alert.metric} ${alert.value} over ${alert.threshold}`), h('span', { class: 'soft' }, alert.since ? `for ${since(alert.since)}` : '')))) : h('p', { class: 'soft' }, 'No alert is open.'));
    } catch (error) {
      show(this.open, h('p', { class: 'soft' }, `Alerts are not available: ${error.message}`));
    }
  }

  refresh(changed) {
    if (changed.has('states')) {
      const found = [...store.workspaces.values()].filter((state) => LOOKS[look(state)].rank < 3).sort((a, b) => LOOKS[look(a)].rank - LOOKS[look(b)].rank).slice(0, 200);
      show(this.unwell, found.length ? found.map((state) => h('li', { class: `card ${look(state)}` }, h('span', { class: 'shape', 'aria-hidden': 'true' }, LOOKS[look(state)].shape), h('b', {}, LOOKS[look(state)].word),
        h('a', { href: `#/w/${encodeURIComponent(state.workspace_id)}` }, state.name), h('span', {}, state.reason), h('span', { class: 'soft' }, `for ${since(state.status_since)}`))) : h('li', { class: 'soft' }, 'Nothing is failing, degraded or stale.'));
    }
    if (changed.has('events')) {
      const told = store.events.filter(({ type }) => /^(error|recovery|alert_)/.test(type)).reverse().slice(0, 200);
      show(this.past, told.length ? told.map((event) => eventLine(event)) : h('li', { class: 'soft' }, 'None lately.'));
      if (told.some(({ type }) => type.startsWith('alert_'))) this.load();
    }
  }
}

export class Engines {
  constructor() {
    this.engines = h('div', {});
    this.lag = h('div', {});
    this.node = h('section', { class: 'page' }, h('h2', {}, 'Engines'), this.engines, h('h3', {}, 'How far behind the dashboard is'), this.lag);
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
    return h('table', {}, h('thead', {}, h('tr', {}, ['Engine', 'Status', 'Workspaces', 'Containers', 'Last listing', 'Id'].map((word) => h('th', { scope: 'col' }, word)))),
      h('tbody', {}, engines.map((engine) => h('tr', {}, h('td', {}, h('b', {}, engine.name)),
        h('td', {}, h('span', { class: `dot-of ${engine.stale ? 'stale' : 'active'}`, 'aria-hidden': 'true' }, LOOKS[engine.stale ? 'stale' : 'active'].shape), engine.stale ? ' silent: what is shown is the last known' : ' heard'),
        h('td', {}, engine.workspaces), h('td', {}, `${engine.running} running of ${engine.containers}`), h('td', {}, engine.last_sync ? `${since(engine.last_sync)} ago` : instant(null)), h('td', {}, h('code', {}, engine.id))))));
  }

  figures(said) {
    const rows = Object.entries(said.lag ?? {}).map(([topic, behind]) => [topic, behind < 0 ? 'not known' : behind === 0 ? 'nothing to catch up' : `${behind} records behind`]);
    rows.push(['listeners on the WebSocket', said.listeners ?? '–'], ['records that could not be read', said.skipped ?? '–']);
    return h('table', {}, h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))));
  }
}
