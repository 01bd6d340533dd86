// A strip of a workspace's statuses over time: tall while active, with its errors as marks. Where nothing is drawn nobody watched.

import { h, s, show } from './dom.js';
import { moment } from './format.js';

const WIDTH = 1000;

export class Timeline {
  constructor() {
    this.svg = s('svg', { viewBox: `0 0 ${WIDTH} 22`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'Status over time' });
    this.words = h('p', { class: 'soft strip-words' });
    this.node = h('div', { class: 'strip' }, this.svg, this.words);
  }

  missing() {
    show(this.svg);
    this.words.textContent = 'Its past statuses are not available from this API.';
  }

  // past: { intervals: [{ status, condition, from, to }], events }
  set(past, from, to) {
    const x = (ms) => ((Math.min(to, Math.max(from, ms)) - from) / (to - from)) * WIDTH;
    const intervals = past.intervals.map((one) => ({ begin: Math.max(from, Date.parse(one.from)), end: Math.min(to, one.to ? Date.parse(one.to) : to), status: one.status, condition: one.condition }));
    show(this.svg, intervals.filter(({ begin, end }) => end > begin).map((one) => stretch(one, x)),
      past.events.filter(({ type }) => type === 'error').map((event) => s('path', { class: 'mark', d: `M${x(Date.parse(event.timestamp)).toFixed(1)},1 l5,8 h-10 z` }, s('title', {}, `${moment(event.timestamp)}  ${event.message}`))));
    const spent = {};
    for (const { begin, end, status, condition } of intervals) {
      const name = condition === 'failing' || condition === 'degraded' ? `${status} (${condition})` : status;
      spent[name] = (spent[name] ?? 0) + Math.max(0, end - begin);
    }
    const said = Object.entries(spent).map(([name, ms]) => `${name} ${((ms / (to - from)) * 100).toFixed(ms / (to - from) < 0.01 ? 1 : 0)} %`).join(' · ');
    this.words.textContent = said || 'Nothing is known of this time.';
    this.svg.setAttribute('aria-label', `Status over time: ${this.words.textContent}`);
  }
}

function stretch({ begin, end, status, condition }, x) {
  const tall = status === 'active';
  const name = condition === 'failing' || condition === 'degraded' ? condition : ['active', 'inactive', 'archived'].includes(status) ? status : 'unknown';
  return s('rect', { class: `stretch ${name}`, x: x(begin).toFixed(1), y: tall ? 3 : 8, width: Math.max(1.5, x(end) - x(begin)).toFixed(1), height: tall ? 16 : 11 },
    s('title', {}, `${status}, ${condition}: ${moment(begin)} – ${moment(end)}`));
}
