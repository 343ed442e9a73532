// Scenarios of guard_vectors.json on standard input, through the guard of the page; one JSON line per scenario.

import { readFileSync } from "node:fs";

// As a data: URL, since without a package.json Node takes a .js file for CommonJS.
const source = readFileSync(new URL("../../hrbridge/clients/web/guard.js", import.meta.url), "utf8");
const { CueGuard } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

function observe(guard, message) {
  if (message.from_ms === undefined) {
    guard.observe(message.sid, message.ts_ms, message.received_at_s);
    return;
  }
  const pace = 1 + (message.drift_ppm ?? 0) / 1e6;
  for (let tsMs = message.from_ms; tsMs <= message.until_ms; tsMs += message.every_ms) {
    guard.observe(message.sid, tsMs, message.received_at_s + ((tsMs - message.from_ms) / 1000) * pace);
  }
}

for (const { scenario, steps } of JSON.parse(readFileSync(0, "utf8"))) {
  const guard = new CueGuard();
  const verdicts = [];
  for (const step of steps) {
    if ("observe" in step) {
      observe(guard, step.observe);
    } else {
      const { play, why, ageS } = guard.accept(step.accept, step.received_at_s, step.retained ?? false);
      verdicts.push({ play, why, age_s: ageS });
    }
  }
  console.log(JSON.stringify({ scenario, verdicts }));
}
