// Which cues may still be spoken, for a page: what guard.py says and why, line by line. The same vectors hold both.

const VERSION = 1;
// The numbers and their reasons stand in guard.py.
const JITTER_S = 0.5;
const RHYTHM_S = 0.5;
const DRIFT = 100e-6;
const STALE_S = 15.0;
const MAX_TTL_S = 3600.0;
const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
const MAX_PAST_RUNS = 8;

// One for each runner who is listened to, kept over all reconnects. receivedAtS is performance.now() / 1000 at the
// moment a message comes in. Nothing throws, whatever is delivered.
export class CueGuard {
  #pastSids = [];
  #sid;
  #seq;
  #receivedAtS;
  #newestSentS;
  #inStep;
  #doubts;
  #believedLagS;
  #offsetS;
  #rhythmLagS;
  #rhythmSinceS;

  constructor() {
    this.#begin("", -Infinity);
  }

  // Any message that bears sid and ts_ms; those that are no cues come here. Nonsense is passed over.
  observe(sid, tsMs, receivedAtS) {
    if (isSid(sid) && isNumber(tsMs, 0, MAX_INTEGER) && isTime(receivedAtS)) {
      this.#hear(sid, tsMs / 1000, receivedAtS);
    }
  }

  // Judge one message of the topic cue, parsed; once each, as they arrive.
  accept(cue, receivedAtS, retained) {
    if (retained) return { play: false, why: "retained", ageS: 0 };
    const wrong = isTime(receivedAtS) ? fault(cue) : "received_at_s";
    if (wrong !== null) return { play: false, why: `malformed: ${wrong}`, ageS: 0 };
    const ageS = this.#hear(cue.sid, cue.ts_ms / 1000, receivedAtS);
    if (ageS === null) return { play: false, why: "old run", ageS: 0 };
    const seenBefore = cue.seq <= this.#seq;
    this.#seq = Math.max(this.#seq, cue.seq);
    if (seenBefore) return { play: false, why: "seen before", ageS };
    if (!this.#inStep) return { play: false, why: "not yet in step", ageS };
    if (ageS > cue.ttl_s) return { play: false, why: "too late", ageS };
    return { play: true, why: "fresh", ageS };
  }

  #begin(sid, receivedAtS) {
    this.#sid = sid;
    this.#seq = -1;
    this.#receivedAtS = receivedAtS;
    this.#newestSentS = -Infinity;
    this.#learnAnew();
    this.#doubts = false;
  }

  #learnAnew() {
    this.#inStep = false;
    this.#doubts = true;
    this.#offsetS = Infinity;
    this.#believedLagS = Infinity;
    this.#rhythmLagS = Infinity;
    this.#rhythmSinceS = Infinity;
  }

  #hear(sid, sentS, receivedAtS) {
    if (sid !== this.#sid) {
      if (!this.#pastSids.includes(sid)) {
        this.#pastSids.push(this.#sid);
        if (this.#pastSids.length > MAX_PAST_RUNS) this.#pastSids.shift();
      } else if (receivedAtS - this.#receivedAtS <= STALE_S) {
        return null;
      }
      this.#begin(sid, receivedAtS);
    }

    const passedS = receivedAtS - this.#receivedAtS;
    this.#receivedAtS = receivedAtS;
    if (passedS < -JITTER_S) this.#learnAnew();

    const first = this.#offsetS === Infinity;
    const lagS = receivedAtS - sentS;
    if (Math.abs(lagS - this.#rhythmLagS) > JITTER_S) {
      this.#rhythmLagS = lagS;
      this.#rhythmSinceS = receivedAtS;
    }
    const receivedForS = receivedAtS - this.#rhythmSinceS;
    const sentForS = receivedForS - (lagS - this.#rhythmLagS);

    if (this.#newestSentS - sentS > STALE_S && receivedForS > STALE_S) {
      this.#newestSentS = sentS;
      this.#offsetS = lagS;
    }
    this.#newestSentS = Math.max(this.#newestSentS, sentS);

    this.#offsetS += DRIFT * passedS;
    this.#believedLagS += DRIFT * passedS;
    if (first || lagS < this.#believedLagS - JITTER_S) {
      this.#inStep = false;
      this.#doubts = this.#doubts || !first;
      this.#believedLagS = lagS;
    }
    this.#offsetS = Math.min(this.#offsetS, lagS);
    const ageS = lagS - this.#offsetS;
    const inRhythm = Math.min(receivedForS, sentForS) >= RHYTHM_S;
    if (ageS <= JITTER_S && (inRhythm || !(first || this.#doubts))) this.#inStep = true;
    if (inRhythm) this.#believedLagS = Math.min(this.#believedLagS, this.#offsetS);
    return ageS;
  }
}

// The first field of a cue that cannot be believed.
function fault(cue) {
  if (typeof cue !== "object" || cue === null || Array.isArray(cue)) return "not an object";
  if (cue.v !== undefined && cue.v !== VERSION) return "v";
  if (!isSid(cue.sid)) return "sid";
  if (!isNumber(cue.seq, 0, MAX_INTEGER) || !Number.isInteger(cue.seq)) return "seq";
  if (!isNumber(cue.ts_ms, 0, MAX_INTEGER)) return "ts_ms";
  if (!isNumber(cue.ttl_s, 0, MAX_TTL_S)) return "ttl_s";
  return null;
}

function isSid(value) {
  return typeof value === "string" && value !== "";
}

function isTime(value) {
  return isNumber(value, -MAX_INTEGER, MAX_INTEGER);
}

function isNumber(value, least, most) {
  return typeof value === "number" && least <= value && value <= most;
}
