// The first rows, asked for before anything else runs: what is failing first, as many as a screen may show. Whoever shows them takes them once.

import { ask, takeTokenFromAddress } from './api.js';

takeTokenFromAddress();
// Where no token is needed the page itself has begun to fetch this very address: see streams/api/routes_dashboard.py.
let asked = ask('/api/v1/workspaces?order=need&limit=60');
asked.catch(() => {}); // who takes them hears of it

export function takeFirstRows() {
  const rows = asked;
  asked = null;
  return rows;
}
