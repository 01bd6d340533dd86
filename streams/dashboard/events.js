// Events: the newest first, as they come.

import { get } from './api.js';
import { h, show } from './dom.js';
import { moment } from './format.js';
import { store } from './store.js';

const KINDS = {
  status_changed: ['●', 'status'], container_update: ['▫', 'container'], error: ['▲', 'error'], recovery: ['✓', 'recovery'], metrics_update: ['≈', 'metrics'],
  sync_start: ['↻', 'sync'], sync_complete: ['↻', 'sync'], alert_raised: ['▲', 'alert'], alert_resolved: ['✓', 'resolved'],
};

export function eventLine(event, withWorkspace = true) {
  const [shape, word] = KINDS[event.type] ?? ['·', event.type];
  return h('li', { class: `event ${event.type}` },
    h('time', { datetime: event.timestamp, title: event.timestamp }, moment(event.timestamp)),
    h('span', { class: 'kind' }, h('span', { class: 'shape', 'aria-hidden': 'true' }, shape), word),
    withWorkspace ? h('span', { class: 'of' }, event.workspace_id ? h('a', { href: `#/w/${encodeURIComponent(event.workspace_id)}` }, event.workspace_id) : event.data.engine ?? '') : null,
    h('span', { class: 'message' }, event.message, event.correction ? h('span', { class: 'tag' }, 'found by a sync') : null));
}

export class Events {
  constructor() {
    this.quiet = true;
    this.older = [];
    this.next = undefined;
    this.lines = h('ol', { class: 'events' });
    this.box = h('input', { type: 'checkbox', onchange: () => { this.quiet = !this.box.checked; this.refresh(new Set(['events'])); } });
    this.more = h('button', { type: 'button', onclick: () => this.loadMore() }, 'Older ones');
    this.node = h('section', { class: 'page' }, h('div', { class: 'bar-of' }, h('h2', {}, 'Events'), h('label', { class: 'soft' }, this.box, ' syncs and metrics too')), this.lines, this.more);
    this.refresh(new Set(['events']));
  }

  end() {}

  refresh(changed) {
    if (!changed.has('events')) return;
    const seen = new Set(store.events.map((event) => event.id));
    const all = [...[...store.events].reverse(), ...this.older.filter((event) => !seen.has(event.id))];
    const shown = this.quiet ? all.filter(({ type }) => !/^(sync_|metrics_)/.test(type)) : all;
    show(this.lines, shown.length ? shown.slice(0, 500 + this.older.length).map((event) => eventLine(event)) : h('li', { class: 'soft' }, 'Nothing has happened yet.'));
  }

  async loadMore() {
    const page = await get('events', { newest_first: true, limit: 200, cursor: this.next });
    this.older.push(...page.events);
    this.next = page.next;
    this.more.hidden = page.next === null;
    this.refresh(new Set(['events']));
  }
}
