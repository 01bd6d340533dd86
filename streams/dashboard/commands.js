// What one may ask for: each command is a short form, and its dialog stays open until the log has answered.

import { ApiError, send, workspacePath } from './api.js';
import { h, note, setText, show } from './dom.js';
import { instant, isFuture } from './format.js';
import { login } from './login.js';

const SPANS = [['30m', '30 minutes'], ['2h', '2 hours'], ['8h', '8 hours'], ['1d', 'a day'], ['7d', '7 days']];
const WHO = 'wst-by';

const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const labelled = (word, field) => h('label', {}, h('span', {}, word), field);

// command: { title, verb, text?, fields: [[word, input]], ask(by, why) → promise, done(answer) → text }
export function openCommand({ title, verb, text, fields = [], ask, done, reason = true }) {
  const by = h('input', { name: 'by', maxlength: 200, autocomplete: 'name', value: localStorage.getItem(WHO) ?? '', placeholder: 'your name' });
  const why = h('input', { name: 'why', maxlength: 500, autocomplete: 'off', placeholder: 'for the record' });
  const said = h('p', { class: 'refusal', role: 'alert' });
  const go = h('button', { type: 'submit', class: 'primary' }, verb);
  const dialog = h('dialog', { class: 'command', 'aria-label': title });
  const form = h('form', { method: 'dialog', onsubmit: submit }, h('h2', {}, title), text ? h('p', { class: 'soft' }, text) : null, fields.map(([word, field]) => labelled(word, field)),
    labelled('Who', by), reason ? labelled('Why', why) : null, said,
    h('div', { class: 'answers' }, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), go));

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    localStorage.setItem(WHO, by.value.trim());
    go.disabled = true;
    setText(go, 'asked …');
    show(said);
    try {
      note(done(await ask(by.value.trim(), why.value.trim())));
      dialog.close();
    } catch (error) {
      refused(error);
    } finally {
      go.disabled = false;
      setText(go, verb);
    }
  }

  function refused(error) {
    const token = error instanceof ApiError && (error.status === 401 || error.status === 403);
    show(said, error instanceof ApiError ? error.message : `No answer: ${error.message}`,
      token ? h('button', { type: 'button', onclick: () => login(() => show(said), 'Another token') }, 'Use another token') : null);
  }

  dialog.append(form);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (fields[0]?.[1] ?? why).focus();
}

const select = (name, options) => h('select', { name }, options.map(([value, word]) => h('option', { value }, word)));

// One id a dialog: pressed again after "no answer yet", it is the same command.
function onWorkspace(state, title, verb, path, { fields, body = () => ({}), done, text }) {
  const id = newId();
  openCommand({
    title: `${title} ${state.name}`, verb, text, fields, done,
    ask: (by, why) => send('POST', workspacePath(state.workspace_id, `/${path}`), { by, why, command_id: id, ...body() }),
  });
}

function rename(state) {
  const name = h('input', { name: 'name', maxlength: 200, required: true, value: state.name, autocomplete: 'off' });
  onWorkspace(state, 'Rename', 'Rename', 'rename', { fields: [['Name', name]], body: () => ({ name: name.value.trim() }), done: () => `It is called ${name.value.trim()} now.` });
}

function mute(state) {
  const span = select('for', SPANS);
  onWorkspace(state, 'Mute', 'Mute', 'mute', {
    text: 'Its alerts are still raised and kept, and told to nobody for that long.', fields: [['For', span]], body: () => ({ for: span.value }),
    done: (answer) => `${state.name} is muted until ${instant(answer.workspace?.muted_until)}.`,
  });
}

export function sync(where, name) {
  const id = newId();
  openCommand({
    title: name ? `List ${name} now` : 'List all engines now', verb: 'List now', reason: false, text: 'Compares what an engine has with what is known, without waiting for the next time.',
    ask: (by) => send('POST', 'sync', { by, request_id: id, ...where }),
    done: ({ syncs, unanswered, failed }) => {
      const corrections = syncs.reduce((sum, one) => sum + one.corrections, 0);
      return `${syncs.map((one) => one.engine).join(', ')} listed: ${corrections || 'no'} correction${corrections === 1 ? '' : 's'}${unanswered.length ? `; no answer from ${unanswered.join(', ')}` : ''}${failed.map((why) => `; ${why}`).join('')}.`;
    },
  });
}

export function muteEngine(name, on) {
  const span = select('for', SPANS);
  const id = newId();
  openCommand({
    title: `${on ? 'Mute' : 'Unmute'} all of ${name}`, verb: on ? 'Mute' : 'Unmute', text: 'Each workspace that it has at this moment.', fields: on ? [['For', span]] : [],
    ask: (by, why) => send('POST', `engines/${encodeURIComponent(name)}/${on ? 'mute' : 'unmute'}`, { by, why, command_id: id, ...(on ? { for: span.value } : {}) }),
    done: ({ workspaces }) => `${workspaces.length} workspaces of ${name} are ${on ? 'muted' : 'told of again'}.`,
  });
}

// The buttons of one workspace: those that make sense for what it is now.
export class Commands {
  constructor() {
    this.node = h('div', { class: 'commands', role: 'group', 'aria-label': 'Commands' });
    this.shown = '';
  }

  set(state) {
    this.node.hidden = !state;
    if (!state) return;
    this.state = state;
    const muted = isFuture(state.muted_until);
    const shown = `${state.status} ${muted}`;
    if (shown === this.shown) return; // a focused button stays the one it was
    this.shown = shown;
    const button = (word, act) => h('button', { type: 'button', onclick: act }, word);
    const told = (name, done, words) => onWorkspace(this.state, words, words, name, { done: () => `${this.state.name} ${done}.` });
    show(this.node,
      state.status === 'archived' ? button('Unarchive', () => told('unarchive', 'is out of the archive', 'Unarchive')) : button('Archive', () => told('archive', 'is archived', 'Archive')),
      button('Rename', () => rename(this.state)),
      muted ? button('Unmute', () => told('unmute', 'is told of again', 'Unmute')) : button('Mute', () => mute(this.state)),
      button('Sync', () => sync({ workspace: this.state.workspace_id }, this.state.name)));
  }
}
