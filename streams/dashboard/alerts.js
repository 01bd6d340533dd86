// The alerts that last: those the API knows of, and what the stream has told since.

import { get, isMissing } from './api.js';

const HEARD_MS = 60000; // so long the archive may not know yet what the stream has told

const open = new Map(); // by the key that is the same for raise and resolve
const over = new Set();
const OVER = 10000; // a page stays open for weeks: of what is over only so much is remembered
let byWorkspace = new Map();

// Whether the API was asked, and what it said instead of an answer.
export const asked = { known: false, problem: '' };

export const openAlerts = () => [...open.values()].sort((a, b) => (a.since < b.since ? 1 : -1));
export const alertsOf = (id) => byWorkspace.get(id) ?? [];

function index() {
  byWorkspace = new Map();
  for (const alert of open.values()) {
    if (!alert.workspace_id) continue;
    const known = byWorkspace.get(alert.workspace_id);
    if (known) known.push(alert); else byWorkspace.set(alert.workspace_id, [alert]);
  }
}

function finish(key) {
  over.add(key);
  open.delete(key);
  if (over.size > OVER) over.delete(over.values().next().value);
}

// Events in their order; whether any of them concerned an alert.
export function hearAlerts(events) {
  let heard = false;
  for (const { type, workspace_id, engine_id, message, data } of events) {
    if (type !== 'alert_raised' && type !== 'alert_resolved') continue;
    heard = true;
    const key = data.dedup_key;
    if (type === 'alert_resolved') finish(key); else if (!over.has(key)) open.set(key, { ...data, workspace_id, engine_id, message, heardAt: Date.now() });
  }
  if (heard) index();
  return heard;
}

export async function loadAlerts() {
  try {
    take(new Map((await ask()).map((row) => [row.dedup_key, row])));
    asked.problem = '';
  } catch (error) {
    asked.problem = error.message;
  }
  asked.known = true;
}

function take(rows) {
  for (const [key, { heardAt }] of open) if (!rows.has(key) && !(heardAt > Date.now() - HEARD_MS)) open.delete(key);
  for (const [key, row] of rows) if (!over.has(key)) open.set(key, row);
  index();
}

async function ask() {
  try {
    return (await get('alerts', { limit: 1000 })).alerts;
  } catch (error) {
    // Of an API without an archive of alerts: what the events say.
    if (!isMissing(error) && error.status !== 400) throw error;
    const { events } = await get('events', { type: ['alert_raised', 'alert_resolved'], newest_first: true, limit: 1000 });
    hearAlerts(events.reverse());
    return openAlerts();
  }
}
