// The API as the dashboard sees it. A token is kept for this tab only; it comes in by the login link or the form.

const KEY = 'wst-token';

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

// Part of an address as text; what is none as it is: a link may be cut off anywhere.
export function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function takeTokenFromAddress() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return;
  setToken(decoded(found[1]));
  history.replaceState(null, '', `${location.pathname}#/`);
}

export const setToken = (token) => (token ? sessionStorage.setItem(KEY, token) : sessionStorage.removeItem(KEY));

export async function get(path, params = {}, signal = undefined) {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined) url.searchParams.append(name, one);
  }
  return ask(url, { signal, cache: 'no-cache' });
}

export const ask = async (url, how = {}) => answered(await fetch(url, { ...how, headers: headers() }));

export async function send(method, path, body) {
  return answered(await fetch(new URL(`/api/v1/${path}`, location.origin), { method, headers: { ...headers(), 'Content-Type': 'application/json' }, body: JSON.stringify(body) }));
}

function headers() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function answered(answer) {
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, said.detail ?? `status ${answer.status}`);
  }
  return answer.json();
}

export const workspacePath = (id, rest = '') => `workspaces/${encodeURIComponent(id)}${rest}`;

// Where an API of another version lacks something, the page says so instead of failing.
export const isMissing = (error) => error instanceof ApiError && (error.status === 404 || error.status === 405 || error.status === 501);

const coded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

export function openStream(after) {
  const url = new URL('/api/v1/stream', location.origin.replace(/^http/, 'ws'));
  url.searchParams.set('what', 'events,states,metrics');
  if (after) url.searchParams.set('after', after);
  const token = sessionStorage.getItem(KEY);
  return new WebSocket(url, token ? ['wst', `wst.token.${coded(token)}`] : ['wst']);
}
