// What there is to see of one runner: all that comes over MQTT, reduced to one view. What scene.py says, for a page.

import { CueGuard } from "./guard.js";

// The numbers and their reasons stand in scene.py and follower.py.
const GREY_AFTER_S = 10;
const PRESENT_S = 5;
// Reading and state of one step: the reading is sent after the state and stamped before it.
const SAME_STEP_MS = 100;
const PACE_OVER_S = 4;
const REHEARSAL = 1.5;
const TIMED = ["warmup", "run", "surge", "walk", "cooldown"];
const PASSING = ["countdown", "next", "tip", "rpe_prompt", "battery"];

// One for each runner, kept over all reconnects. receivedAtS and nowS are performance.now() / 1000.
export class Scene {
  plan = "";
  state = null;
  said = null;
  decided = null;
  summary = null;
  #cues = new CueGuard();
  #news = new CueGuard();
  #sid = null; // of the last message that came live, and the difference between our clock and the bridge's in it
  #offsetS = 0;
  #behind = true;
  #joined = false;
  #online = null;
  #beat = null;
  #pace = 1;
  #pacedFrom = null;

  // The broker came or went: what happens meanwhile is missed.
  joined(up) {
    this.#joined = up;
    this.#behind = true;
  }

  // One message. What is to be done about it: {cue, verdict} for a cue, {beat} for a reading, {present: true} for the
  // first state that is surely now since the page was cut off, {result} for an answer; null otherwise, and for
  // what cannot be read.
  take(topic, payload, retained, receivedAtS) {
    if (topic === "status") {
      this.#online = payload === "online";
      return null;
    }
    const message = parsed(payload);
    if (message === null) return null;
    switch (topic) {
      case "bridge/info":
        this.plan = String(message.plan ?? "");
        return null;
      case "state":
        return this.#takeState(message, retained, receivedAtS);
      case "heart_rate":
        return retained ? null : this.#takeBeat(message, receivedAtS);
      case "cue":
        return this.#takeCue(message, retained, receivedAtS);
      case "control/result":
        return retained ? null : { result: message };
      case "session/summary":
        this.summary = message;
        return null;
      default:
        return null;
    }
  }

  // Learn from a message that came live how late it is. Null: not to be believed; else whether it is surely now.
  #isNow(message, receivedAtS) {
    const judged = { sid: message.sid, seq: message.ts_ms, ts_ms: message.ts_ms, ttl_s: PRESENT_S };
    const { play, why, ageS } = this.#news.accept(judged, receivedAtS, false);
    if (why === "old run" || why.startsWith("malformed")) return null;
    this.#sid = message.sid;
    this.#offsetS = receivedAtS - ageS - message.ts_ms / 1000;
    return play;
  }

  #takeState(state, retained, receivedAtS) {
    if (!isState(state)) return null;
    if (!retained) this.#cues.observe(state.sid, state.ts_ms, receivedAtS);
    const isNow = retained ? false : this.#isNow(state, receivedAtS);
    const sameRun = this.state?.sid === state.sid;
    if (isNow === null || (sameRun && state.seq <= this.state.seq)) return null;
    if (!retained) {
      this.#online = true;
      this.#learnPace(state);
    }
    if (!sameRun) this.said = this.decided = this.#beat = null;
    this.state = state;
    const cue = state.last_cue;
    if (cue !== null && (this.said === null || this.said.seq < cue.seq)) this.#show(cue);
    if (!isNow || !this.#behind) return null;
    this.#behind = false;
    return { present: true };
  }

  #takeBeat(beat, receivedAtS) {
    this.#cues.observe(beat.sid, beat.ts_ms, receivedAtS);
    if (this.#isNow(beat, receivedAtS) === null) return null;
    this.#beat = beat;
    return { beat };
  }

  #takeCue(cue, retained, receivedAtS) {
    const verdict = this.#cues.accept(cue, receivedAtS, retained);
    if (!retained) this.#news.observe(cue.sid, cue.ts_ms, receivedAtS);
    if (verdict.play) {
      this.#show(cue);
      if (!PASSING.includes(cue.kind)) this.#behind = false; // it has told where the run stands
    }
    return { cue, verdict };
  }

  #show(cue) {
    this.said = cue;
    if (!PASSING.includes(cue.kind) || this.decided === null) this.decided = cue;
  }

  #learnPace(state) {
    const before = this.#pacedFrom;
    if (before === null || before.sid !== state.sid || !TIMED.includes(state.phase)) {
      this.#pacedFrom = state;
      this.#pace = 1;
      return;
    }
    const passedS = (state.ts_ms - before.ts_ms) / 1000;
    if (passedS >= PACE_OVER_S) {
      const pace = (state.elapsed_s - before.elapsed_s) / passedS;
      this.#pace = pace > REHEARSAL ? pace : 1;
      this.#pacedFrom = state;
    }
  }

  // The moment brought forward from the last state, by a timer of our own; the fields are those of scene.View.
  view(nowS) {
    const state = this.state;
    const age_s = state === null ? null : this.#ageS(state, nowS);
    const link = this.#link(age_s);
    if (state === null) {
      return { link, fresh: false, age_s, phase: null, remaining_s: null, heart_rate_bpm: null, trust: "none" };
    }
    const here = this.#online !== false;
    const passedS = TIMED.includes(state.phase) && age_s !== null && here ? this.#pace * age_s : 0;
    const leftS = state.phase_remaining_s;
    const heart = this.#heart(nowS);
    return {
      ...heart,
      link,
      fresh: here && age_s !== null && age_s <= GREY_AFTER_S,
      age_s,
      phase: state.phase,
      phase_elapsed_s: state.phase_elapsed_s + passedS,
      remaining_s: leftS === null ? null : Math.max(0, leftS - passedS),
      next_phase: state.next_phase,
      elapsed_s: state.elapsed_s + passedS,
      zone: heart.heart_rate_bpm === null ? null : state.zone,
      ceiling_bpm: state.ceiling_bpm ?? null,
      battery_percent: state.battery_percent,
      rpe: state.rpe,
      headsets: state.headsets,
      decided: this.decided,
    };
  }

  // Null where nothing of that run has come live.
  #ageS(message, nowS) {
    return message.sid === this.#sid ? Math.max(0, nowS - message.ts_ms / 1000 - this.#offsetS) : null;
  }

  #link(ageS) {
    if (!this.#joined) return "no broker";
    if (this.#online === false) return "bridge offline";
    if (this.state === null) return "nothing heard";
    if (ageS === null) return "waiting for news";
    return ageS > GREY_AFTER_S ? "no news" : "live";
  }

  // The newer of reading and state; no rate where it is not believed, or too old to be anybody's.
  #heart(nowS) {
    const beat = this.#beat;
    const newer = beat !== null && beat.sid === this.state.sid && beat.ts_ms >= this.state.ts_ms - SAME_STEP_MS;
    const { trust, heart_rate_bpm: bpm, ...newest } = newer ? beat : this.state;
    const ageS = this.#ageS(newest, nowS);
    const believed = trust !== "none" && ageS !== null && ageS <= GREY_AFTER_S;
    return { heart_rate_bpm: believed ? bpm : null, trust: believed ? trust : "none" };
  }
}

// Whether all is there that is reckoned with: a page must not stand still because somebody sent nonsense.
function isState(state) {
  const { phase_elapsed_s, elapsed_s, run_s, walk_s, ratio } = state;
  const { planned_run_s, planned_walk_s, run_s: now_run_s, walk_s: now_walk_s } = ratio ?? {};
  const numbers = [phase_elapsed_s, elapsed_s, run_s, walk_s, planned_run_s, planned_walk_s, now_run_s, now_walk_s];
  const orNull = [state.phase_remaining_s, state.heart_rate_bpm, state.zone, state.rpe, state.distance_m];
  return (
    typeof state.phase === "string" &&
    numbers.every(Number.isFinite) &&
    orNull.every((value) => value === null || Number.isFinite(value)) &&
    (state.next_phase === null || typeof state.next_phase === "string") &&
    (state.last_cue === null || typeof state.last_cue?.say === "string")
  );
}

// An object from JSON, or null.
function parsed(payload) {
  try {
    const value = JSON.parse(payload);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
