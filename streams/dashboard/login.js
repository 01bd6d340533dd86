// Asks for a token, where one is needed.

import { setToken } from './api.js';
import { h } from './dom.js';

export function login(go, words = 'A token is needed') {
  if (document.querySelector('dialog.login')) return;
  const field = h('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true, 'aria-label': 'Token' });
  const dialog = h('dialog', { class: 'login', 'aria-label': 'Log in' }, h('form', { method: 'dialog', onsubmit: () => { setToken(field.value.trim()); dialog.remove(); go(); } },
    h('h2', {}, words), h('p', {}, 'wst token prints it, and a link that logs in.'), field, h('button', { type: 'submit' }, 'Log in')));
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
}
