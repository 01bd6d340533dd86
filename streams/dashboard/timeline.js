// A strip of a workspace's statuses over time, made of its own events, with its errors as marks.

import { h, s, show } from './dom.js';
import { moment } from './format.js';

const WIDTH = 1000;

export class Timeline {
  constructor(onrange) {
    this.onrange = onrange;
    this.svg = s('svg', { viewBox: `0 0 ${WIDTH} 22`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'Status over time' });
    this.words = h('p', { class: 'soft strip-words' });
    this.node = h('div', { class: 'strip' }, this.svg, this.words);
  }

  set(events, from, to, state) {
    const x = (ms) => ((Math.min(to, Math.max(from, ms)) - from) / (to - from)) * WIDTH;
    const intervals = statuses(events, from, to, state);
    show(this.svg, intervals.map(({ begin, end, status }) => s('rect', { class: `stretch ${status}`, x: x(begin).toFixed(1), y: status === 'active' ? 3 : 8, width: Math.max(1.5, x(end) - x(begin)).toFixed(1), height: status === 'active' ? 16 : 11 },
      s('title', {}, `${status}: ${moment(begin)} – ${moment(end)}`))),
    events.filter(({ type, timestamp }) => type === 'error' && Date.parse(timestamp) >= from && Date.parse(timestamp) <= to)
      .map((event) => s('path', { class: 'mark', d: `M${x(Date.parse(event.timestamp)).toFixed(1)},2 l5,9 h-10 z` }, s('title', {}, `${moment(event.timestamp)}  ${event.message}`))));
    const spent = {};
    for (const { begin, end, status } of intervals) spent[status] = (spent[status] ?? 0) + end - begin;
    const said = Object.entries(spent).map(([status, ms]) => `${status} ${((ms / (to - from)) * 100).toFixed(0)} %`).join(' · ');
    this.words.textContent = said;
    this.svg.setAttribute('aria-label', `Status over time: ${said}`);
  }
}

function statuses(events, from, to, state) {
  const changes = events.filter(({ type }) => type === 'status_changed').map((event) => ({ at: Date.parse(event.timestamp), old: event.data.old_status, status: event.data.new_status })).sort((a, b) => a.at - b.at);
  const found = [];
  let status = changes.length ? changes[0].old : state?.status ?? 'unknown';
  let begin = changes.length || !state?.status_since ? from : Math.max(from, Date.parse(state.status_since));
  if (begin > from) found.push({ begin: from, end: begin, status: 'unknown' });
  for (const change of changes) {
    if (change.at > to) break;
    if (change.at > begin) { found.push({ begin, end: change.at, status }); begin = change.at; }
    status = change.status;
  }
  if (to > begin) found.push({ begin, end: to, status });
  return found;
}
