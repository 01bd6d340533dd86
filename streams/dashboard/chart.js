// Lines over time on a canvas: gaps stay gaps, a drag chooses a range, the crosshair is shared by the charts beside it.

import { h } from './dom.js';
import { DASH, moment, tick } from './format.js';

const PAD = { left: 58, right: 10, top: 8, bottom: 20 };

export class Chart {
  // lines: [{ name, colour (a custom property), values }]; onrange(fromMs, toMs)
  constructor({ title, text, onrange, onhover }) {
    this.title = title;
    this.text = text;
    this.onrange = onrange;
    this.onhover = onhover;
    this.data = null;
    this.at = null;
    this.drag = null;
    this.canvas = h('canvas', { role: 'img' });
    this.legend = h('span', { class: 'legend' });
    this.node = h('figure', { class: 'chart' }, h('figcaption', {}, h('strong', {}, title), this.legend), this.canvas);
    this.canvas.addEventListener('pointermove', (event) => this.move(event));
    this.canvas.addEventListener('pointerleave', () => { if (!this.drag) this.onhover(null); });
    this.canvas.addEventListener('pointerdown', (event) => { this.drag = { from: this.time(event), to: this.time(event) }; this.canvas.setPointerCapture(event.pointerId); });
    this.canvas.addEventListener('pointerup', () => this.drop());
    this.canvas.addEventListener('pointercancel', () => { this.drag = null; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  set(data) {
    this.data = data; // { from, to, times: [ms], lines, most? }
    this.canvas.setAttribute('aria-label', this.spoken());
    this.draw();
  }

  spoken() {
    const said = this.data.lines.map(({ name, values }) => {
      const known = values.filter((value) => value !== null);
      if (!known.length) return `${name}: nothing known`;
      const sum = known.reduce((a, b) => a + b, 0);
      return `${name}: ${this.text(Math.min(...known))} to ${this.text(Math.max(...known))}, on average ${this.text(sum / known.length)}`;
    });
    return `${this.title}. ${said.join('; ')}`;
  }

  inner() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { width: Math.max(1, width - PAD.left - PAD.right), height: Math.max(1, height - PAD.top - PAD.bottom) };
  }

  time(event) {
    if (!this.data) return 0;
    const share = (event.offsetX - PAD.left) / this.inner().width;
    return this.data.from + Math.min(1, Math.max(0, share)) * (this.data.to - this.data.from);
  }

  move(event) {
    if (!this.data) return;
    if (this.drag) this.drag.to = this.time(event);
    this.onhover(this.time(event));
    if (this.drag) this.draw();
  }

  drop() {
    const drag = this.drag;
    this.drag = null;
    if (drag && this.data && Math.abs(drag.to - drag.from) > (this.data.to - this.data.from) / 100) {
      this.onrange(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
    } else this.draw();
  }

  hover(at) {
    this.at = at;
    this.draw();
  }

  draw() {
    if (!this.data || !this.canvas.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(this.canvas);
    const pen = this.canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui, sans-serif';
    const most = this.most();
    const { from, to } = this.data;
    const inner = this.inner();
    const x = (ms) => PAD.left + ((ms - from) / (to - from)) * inner.width;
    const y = (value) => PAD.top + inner.height - (value / most) * inner.height;
    this.grid(pen, style, x, y, most);
    this.data.lines.forEach((line, index) => this.line(pen, style.getPropertyValue(line.colour), line.values, x, y, index));
    this.over(pen, style, x, inner);
    this.words();
  }

  most() {
    const top = Math.max(1e-9, this.data.least ?? 0, ...this.data.lines.flatMap(({ values }) => values.filter((value) => value !== null)));
    const base = this.data.binary ? 1024 ** Math.floor(Math.log(top) / Math.log(1024)) : 1;
    const scaled = top / base;
    const power = 10 ** Math.floor(Math.log10(scaled));
    return [1, 2, 4, 5, 10].map((step) => step * power * base).find((step) => step >= top * 1.02) ?? top * 1.1;
  }

  grid(pen, style, x, y, most) {
    pen.strokeStyle = style.getPropertyValue('--line');
    pen.fillStyle = style.getPropertyValue('--muted');
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (const share of [0, 0.5, 1]) {
      const at = Math.round(y(most * share)) + 0.5;
      pen.beginPath(); pen.moveTo(PAD.left, at); pen.lineTo(this.canvas.clientWidth - PAD.right, at); pen.stroke();
      pen.fillText(this.text(most * share), PAD.left - 6, at);
    }
    const { from, to } = this.data;
    const steps = [60e3, 300e3, 600e3, 1800e3, 3600e3, 3 * 3600e3, 6 * 3600e3, 12 * 3600e3, 86400e3, 2 * 86400e3, 7 * 86400e3, 30 * 86400e3];
    const step = steps.find((each) => (to - from) / each <= Math.max(2, this.inner().width / 90)) ?? steps.at(-1);
    const zone = new Date(from).getTimezoneOffset() * 60e3;
    pen.textAlign = 'center';
    pen.textBaseline = 'alphabetic';
    for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
      if (x(at) > PAD.left + 14 && x(at) < this.canvas.clientWidth - PAD.right - 14) pen.fillText(tick(at, step >= 86400e3), x(at), this.canvas.clientHeight - 5);
    }
  }

  line(pen, colour, values, x, y, index) {
    const { times } = this.data;
    const runs = [];
    let run = null;
    values.forEach((value, at) => {
      if (value === null) { run = null; return; }
      if (!run) runs.push((run = []));
      run.push([x(times[at]), y(value)]);
    });
    pen.strokeStyle = colour;
    pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.lineJoin = 'round';
    pen.setLineDash(index ? [5, 3] : []);
    for (const points of runs) {
      pen.beginPath();
      points.forEach(([px, py], at) => (at ? pen.lineTo(px, py) : pen.moveTo(px, py)));
      pen.stroke();
      if (points.length === 1) pen.fillRect(points[0][0] - 1.5, points[0][1] - 1.5, 3, 3);
      if (index === 0 && points.length > 1) {
        pen.globalAlpha = 0.1;
        pen.lineTo(points.at(-1)[0], y(0)); pen.lineTo(points[0][0], y(0)); pen.fill();
        pen.globalAlpha = 1;
      }
    }
    pen.setLineDash([]);
  }

  over(pen, style, x, inner) {
    if (this.drag) {
      pen.fillStyle = style.getPropertyValue('--accent');
      pen.globalAlpha = 0.18;
      pen.fillRect(x(this.drag.from), PAD.top, x(this.drag.to) - x(this.drag.from), inner.height);
      pen.globalAlpha = 1;
    }
    if (this.at !== null) {
      pen.strokeStyle = style.getPropertyValue('--muted');
      const at = Math.round(x(this.at)) + 0.5;
      pen.beginPath(); pen.moveTo(at, PAD.top); pen.lineTo(at, PAD.top + inner.height); pen.stroke();
    }
  }

  words() {
    const { times, lines } = this.data;
    let index = -1;
    if (this.at !== null) index = times.reduce((best, ms, each) => (Math.abs(ms - this.at) < Math.abs(times[best] - this.at) ? each : best), 0);
    this.legend.textContent = '';
    lines.forEach(({ name, colour, values }, each) => {
      const value = index >= 0 ? values[index] : values.findLast((one) => one !== null);
      const key = h('i', { class: each ? 'key dashed' : 'key', 'aria-hidden': 'true' });
      key.style.setProperty('--key', `var(${colour})`);
      this.legend.append(h('span', {}, key, `${name} `, h('b', {}, value === null || value === undefined ? DASH : this.text(value))));
    });
    if (index >= 0) this.legend.append(h('span', { class: 'when' }, moment(times[index])));
  }
}
