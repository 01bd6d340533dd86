// Numbers and times for people. What is not known is a dash, never a zero.

export const DASH = '–';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value) {
  if (value === null || value === undefined) return DASH;
  let unit = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && unit < UNITS.length - 1) { left /= 1024; unit += 1; }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

export const rate = (value) => (value === null || value === undefined ? DASH : `${bytes(value)}/s`);

export function percent(value) {
  if (value === null || value === undefined) return DASH;
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} %`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return DASH;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const since = (text, now = Date.now()) => (text ? span((now - Date.parse(text)) / 1000) : DASH);

// A format is dear to make, and the first rows need none.
function later(options) {
  let made = null;
  return (time) => (made ??= new Intl.DateTimeFormat(undefined, options)).format(time);
}

const clock = later({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = later({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const short = later({ month: 'short', day: 'numeric' });
const hours = later({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export const instant = (time) => (time ? day(new Date(time)) : DASH);

export function moment(time) {
  const at = new Date(time);
  return at.toDateString() === new Date().toDateString() ? clock(at) : day(at);
}

export const tick = (ms, long) => (long ? short : hours)(new Date(ms));

export const isFuture = (time) => Boolean(time) && Date.parse(time) > Date.now();

export const pair = (running, total) => `${running}/${total}`;

// What a workspace is shown as: one word, one shape, one colour. Order: what needs someone first.
export const LOOKS = {
  failing: { rank: 0, word: 'Failing', shape: '▲' },
  degraded: { rank: 1, word: 'Degraded', shape: '◆' },
  stale: { rank: 2, word: 'Stale', shape: '?' },
  active: { rank: 3, word: 'Active', shape: '●' },
  inactive: { rank: 4, word: 'Inactive', shape: '○' },
  archived: { rank: 5, word: 'Archived', shape: '▢' },
};

export function look(state) {
  if (state.status === 'archived') return 'archived';
  if (state.stale || state.condition === 'unknown') return 'stale';
  if (state.condition === 'failing' || state.condition === 'degraded') return state.condition;
  return state.status in LOOKS ? state.status : 'stale';
}
