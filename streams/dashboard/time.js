// Back in time: a slider, and the whole page shows the fleet as it was then.

import { get, isMissing } from './api.js';
import { h, setText, show } from './dom.js';
import { instant, span } from './format.js';
import { store, touch } from './store.js';

const SPANS = [['1 h', 3600], ['24 h', 86400], ['7 d', 7 * 86400], ['30 d', 30 * 86400]];
const STEPS = 1000;

export class TimeBar {
  constructor(node, button) {
    this.node = node;
    this.button = button;
    this.reach = 86400;
    this.end = 0;
    this.asked = 0;
    this.slider = h('input', { type: 'range', id: 'as-of', min: 0, max: STEPS, value: STEPS, step: 1, 'aria-label': 'Instant', oninput: () => this.slid() });
    this.exact = h('input', { type: 'datetime-local', step: 1, 'aria-label': 'Exact time', onchange: () => this.typed() });
    this.words = h('output', { for: 'as-of' });
    this.buttons = SPANS.map(([word, seconds]) => h('button', { type: 'button', 'aria-pressed': String(seconds === this.reach), onclick: () => this.span(seconds) }, word));
    show(node, h('div', { class: 'ranges', role: 'group', 'aria-label': 'How far back' }, this.buttons), this.slider, this.exact, this.words, h('button', { type: 'button', onclick: () => this.toggle(false) }, 'Back to now'));
  }

  toggle(on = this.node.hidden) {
    this.node.hidden = !on;
    this.button.setAttribute('aria-expanded', String(on));
    document.body.classList.toggle('past', on);
    if (on) {
      this.end = Date.now();
      this.slider.value = STEPS;
      this.show(this.end, false);
      this.slider.focus();
    } else {
      this.asked += 1;
      store.asOf = null;
      touch('states'); touch('as-of');
    }
  }

  span(seconds) {
    this.reach = seconds;
    this.buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(SPANS[index][1] === seconds)));
    this.slid();
  }

  slid() {
    const share = Number(this.slider.value) / STEPS;
    this.show(this.end - (1 - share) * this.reach * 1000, true);
  }

  typed() {
    const at = Date.parse(this.exact.value);
    if (!Number.isNaN(at)) this.show(at, true);
  }

  show(at, ask) {
    const local = new Date(at - new Date(at).getTimezoneOffset() * 60000);
    this.exact.value = local.toISOString().slice(0, 19);
    setText(this.words, `${instant(at)}, ${span((Date.now() - at) / 1000)} ago`);
    clearTimeout(this.timer);
    if (ask) this.timer = setTimeout(() => this.load(at), 120);
  }

  async load(at) {
    this.asked += 1;
    const asked = this.asked;
    try {
      const said = await get('as-of', { time: new Date(at).toISOString() });
      if (asked !== this.asked) return;
      const all = Array.isArray(said) ? said : said.workspaces ?? [];
      store.asOf = { at, workspaces: new Map(all.map((state) => [state.workspace_id, { ...state, metrics: state.metrics ?? NO_METRICS }])) };
      touch('states'); touch('as-of');
    } catch (error) {
      if (asked === this.asked) setText(this.words, isMissing(error) ? 'Not available: this API does not answer for past instants.' : `Not available: ${error.message}`);
    }
  }
}

const NO_METRICS = Object.freeze({
  cpu_percent: null, memory_usage: null, memory_limit: null, memory_percent: null, network_rx_bytes_per_second: null, network_tx_bytes_per_second: null,
  pids: null, uptime_seconds: null, error_count: 0, sampled_at: null,
});
