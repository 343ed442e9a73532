// What a page writes: phases, times, ratios, whose silence it is, and in plain words why a cue was given.

export const PHASE = {
  waiting: "Waiting",
  warmup: "Warm-up",
  run: "Run",
  surge: "Surge",
  walk: "Walk",
  cooldown: "Cool-down",
  paused: "Paused",
  finished: "Done",
};
export const TRUST = { good: "signal good", doubtful: "signal doubtful", none: "no signal" };
// As labels.py says it.
export const BECAUSE = {
  planned: "That is the plan.",
  recovered: "Your heart rate has come down far enough.",
  not_recovered: "Your heart rate takes a little longer to come down.",
  walk_cap: "The walk has been as long as a walk may be.",
  heart_rate_ceiling: "Your heart rate is at today's ceiling.",
  forecast_ceiling: "Your heart rate is on its way to today's ceiling.",
  rpe_high: "You said it takes more than this run is meant to take.",
  rpe_limit: "You said it is plenty for this run.",
  trend: "Over the last walks your heart rate stayed a little higher.",
  restored: "You recover well, so it goes back towards the plan.",
  easy_finish: "You have run enough for today; an easy finish does the rest.",
  no_signal: "There is no heart rate to go by; the clock leads.",
  cue_ignored: "Your movement did not follow the cue; it may not have been heard.",
  budget: "It follows from your goal time.",
  battery: "It is what the strap says of its battery.",
  safety: "It keeps this run on the safe side.",
  command: "You asked for it.",
};

// "0:45", "31:20" or "1:02:05"; a second that has begun counts as passed.
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

// What a countdown shows: "3:12", below a minute "45"; a second that has begun is still left.
export function left(seconds) {
  const whole = Math.ceil(seconds - 0.01); // what two clocks make of a whole second
  return whole < 60 ? String(whole) : clock(whole);
}

// For a voice: "3 minutes 12", "45 seconds".
export function spoken(seconds) {
  const whole = Math.ceil(seconds - 0.01);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes === 0) return `${rest} second${rest === 1 ? "" : "s"}`;
  return `${minutes} minute${minutes === 1 ? "" : "s"}${rest === 0 ? "" : ` ${rest}`}`;
}

// "4:00 / 1:00", or nothing where the plan has none.
export function ratio(runS, walkS) {
  return runS || walkS ? `${clock(runS)} / ${clock(walkS)}` : "";
}

export function since(seconds) {
  return seconds < 120 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}
