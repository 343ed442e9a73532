// Who needs a look, and why in words: what board.py says, for a page. The same vectors hold both.

// The numbers and their reasons stand in board.py.
const CALM_AFTER_S = 10;
const VANISHED_FOR_S = 300;
const HIGHEST_ZONE = 5;
const HARD_RPE = 8;
const LOW_BATTERY_PERCENT = 15;
const MOVING = ["run", "surge", "walk"];
const ACTIVE = [...MOVING, "warmup", "cooldown"];

// As config.py has it; anybody may write to a broker, and under any name.
export const RUNNER_ID = /^[a-z0-9_-]{1,32}$/;

export const NEED = {
  SAFETY: 0,
  SIGNAL: 1,
  NEWS: 2,
  HIGH: 3,
  HELD: 4,
  EFFORT: 5,
  SMALL: 6,
  NONE: 7,
  PAUSED: 8,
  WAITING: 9,
  FINISHED: 10,
  GONE: 11,
};

// By what is known of this runner alone; view is that of scene.js.
export function attention(view) {
  if (view.phase === null) {
    return { need: view.link === "bridge offline" ? NEED.GONE : NEED.WAITING, why: "not started" };
  }
  if (view.phase === "finished") return { need: NEED.FINISHED, why: "finished" };
  if (view.link === "bridge offline") {
    const vanished = ACTIVE.includes(view.phase) && view.age_s !== null && view.age_s <= VANISHED_FOR_S;
    return vanished ? { need: NEED.NEWS, why: "left in the middle of a run" } : { need: NEED.GONE, why: "offline" };
  }
  if (view.link === "no broker" || view.age_s === null) return { need: NEED.NONE, why: "" };
  if (view.link === "no news") return { need: NEED.NEWS, why: `no news for ${inShort(view.age_s)}` };
  if (view.phase === "waiting") return { need: NEED.WAITING, why: "not started" };
  return ofTheRun(view);
}

function ofTheRun(view) {
  const { phase, decided, heart_rate_bpm: bpm, ceiling_bpm: ceilingBpm } = view;
  const reason = decided?.reason;
  if (reason === "safety") return { need: NEED.SAFETY, why: decided.say };
  if (phase === "paused") return { need: NEED.PAUSED, why: "paused" };
  if (MOVING.includes(phase) && bpm === null) return { need: NEED.SIGNAL, why: "no heart rate" };
  if (ACTIVE.includes(phase) && view.zone !== null && view.zone >= HIGHEST_ZONE) {
    return { need: NEED.HIGH, why: `zone ${view.zone}` };
  }
  if (phase === "run" && bpm !== null && ceilingBpm !== null && bpm > ceilingBpm) {
    return { need: NEED.HIGH, why: `${rounded(bpm - ceilingBpm)} above ceiling` };
  }
  if (phase === "walk" && decided?.kind === "extend_walk") {
    return { need: NEED.HELD, why: `walk made longer: ${reason.replaceAll("_", " ")}` };
  }
  if (phase === "walk" && view.remaining_s === null && view.next_phase !== null) {
    return { need: NEED.HELD, why: "walk held until recovered" };
  }
  const hard = view.rpe !== null && (view.rpe >= HARD_RPE || reason === "rpe_high" || reason === "rpe_limit");
  if (ACTIVE.includes(phase) && hard) return { need: NEED.EFFORT, why: `effort ${view.rpe}` };
  return small(view);
}

function small(view) {
  const why = [];
  if (ACTIVE.includes(view.phase) && view.trust === "doubtful") why.push("signal doubtful");
  if (view.headsets === 0) why.push("nobody listens");
  if (view.battery_percent !== null && view.battery_percent <= LOW_BATTERY_PERCENT) {
    why.push(`strap ${view.battery_percent} %`);
  }
  return why.length ? { need: NEED.SMALL, why: why.join(", ") } : { need: NEED.NONE, why: "" };
}

function inShort(seconds) {
  return seconds < 120 ? `${rounded(seconds)} s` : `${rounded(seconds / 60)} min`;
}

// As Python rounds: halves to the even one.
function rounded(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

// So that r2 stands before r10.
export function byNumber(name) {
  return name.replace(/\d+/g, (digits) => digits.padStart(32, "0"));
}

// The order of one runner: up at once, down only once calm, so that nobody jumps about.
export class Rank {
  #felt = null;
  #lastS = 0;

  of(need, nowS) {
    const calm = nowS - this.#lastS >= CALM_AFTER_S;
    if (this.#felt !== null && need > this.#felt && need <= NEED.NONE && !calm) return this.#felt;
    this.#felt = need;
    this.#lastS = nowS;
    return need;
  }
}
