// What the modules of the page say, to be held against Python: views on standard input, one JSON object out.

import { readFileSync } from "node:fs";

// As data: URLs, since without a package.json Node takes a .js file for CommonJS; those here import nothing.
const load = (name) => {
  const source = readFileSync(new URL(`../../hrbridge/clients/web/${name}`, import.meta.url), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
};
const { NEED, Rank, attention, byNumber } = await load("attention.js");
const { BECAUSE, PHASE, TRUST, clock, left } = await load("labels.js");
const { BEEPS } = await load("sounds.js");
const { views, seconds, felt, names } = JSON.parse(readFileSync(0, "utf8"));
const rank = new Rank();
console.log(JSON.stringify({
  attention: views.map(attention),
  need: NEED,
  because: BECAUSE,
  phase: PHASE,
  trust: TRUST,
  clock: seconds.map(clock),
  left: seconds.map(left),
  beeps: BEEPS,
  ranks: felt.map(([need, nowS]) => rank.of(need, nowS)),
  sorted: names.toSorted((a, b) => (byNumber(a) < byNumber(b) ? -1 : 1)),
}));
