// The page of one runner: what there is to see, what to press, what to hear.

import { Curve } from "./curve.js";
import { BECAUSE, PHASE, TRUST, clock, left, ratio, since, spoken } from "./labels.js";
import { Link, nowS } from "./link.js";
import { Scene } from "./scene.js";
import { Sounds } from "./sounds.js";

// Four times a second: a second of the countdown is never late by more than an eye sees.
const REDRAW_MS = 250;
// A runner cannot see that a page has fallen silent; the numbers of follower.py and scene.py.
const LINK_LOST_S = 8;
// As long as the bridge remembers the first of two stops.
const STOP_CONFIRM_S = 5;
const ANSWER_WITHIN_S = 3;
const TOLD_FOR_S = 6;
const EFFORTS = ["rest", "very light", "light", "moderate", "somewhat hard", "hard", "hard", "very hard", "very hard",
  "extremely hard", "all I have"];
const MAIN = { waiting: ["start", "Start"], paused: ["resume", "Resume"], finished: null };
const SOUNDS_OF_PHASE = {
  run: "run",
  surge: "surge",
  walk: "walk",
  warmup: "walk",
  cooldown: "walk",
  finished: "finish",
};
// Not yet is no trouble.
const CALM = ["no broker", "nothing heard", "waiting for news"];
const MOVING = ["warmup", "run", "surge", "walk", "cooldown"];

const $ = (id) => document.getElementById(id);
const scene = new Scene();
const sounds = new Sounds();
const curve = new Curve($("curve"));
const waiting = new Map(); // wishes without an answer yet, by id: what was asked, which effort, and when
let brokerWhy = "";
let brokerUp = false;
let mayCommand = true; // until the server says otherwise
let lostTold = false;
let curveDrawnS = -Infinity;
let toldUntilS = 0;
let stopUntilS = 0;
let wakeLock = null;
let number = 0;

const link = new Link(hear, (up) => {
  if (up) return;
  brokerUp = false;
  scene.joined(false);
  waiting.clear();
});

// -- what comes in --

function hear(message, receivedAtS) {
  switch (message.type) {
    case "hello":
      mayCommand = message.commands;
      write("runner", message.runner);
      document.title = `${message.runner} · hrbridge`;
      break;
    case "broker":
      brokerUp = message.up;
      brokerWhy = message.why;
      scene.joined(brokerUp);
      break;
    case "refused":
      answered({ id: message.id, ok: false, error: message.why });
      break;
    case "message":
      react(scene.take(message.topic, message.payload, message.retained, receivedAtS));
  }
  draw();
}

function react(heard) {
  if (heard === null) return;
  if (heard.beat && heard.beat.trust !== "none") {
    curve.take(heard.beat.sid, heard.beat.ts_ms, heard.beat.heart_rate_bpm);
  }
  if (heard.present) present();
  if (heard.cue) cued(heard.cue, heard.verdict);
  if (heard.result) answered(heard.result);
}

// New here, or cut off for a while: the present phase, once, and never the cues that were missed.
function present() {
  const { phase, remaining_s } = scene.view(nowS());
  lostTold = false;
  if (SOUNDS_OF_PHASE[phase]) sounds.play(SOUNDS_OF_PHASE[phase]);
  announce(`${PHASE[phase] ?? phase}${remaining_s === null ? "" : `, ${spoken(remaining_s)} left`}`);
}

function cued(cue, verdict) {
  const perceived = sounds.on || document.visibilityState === "visible";
  if (verdict.play && perceived) {
    sounds.play(cue.tone);
    if (cue.kind !== "countdown") announce(cue.say);
  }
  const played = verdict.play && perceived;
  const why = played ? "" : verdict.play ? "page out of sight" : verdict.why;
  if (verdict.why.startsWith("malformed")) return;
  const result = played ? "played" : "dropped";
  link.say({ type: "ack", sid: cue.sid, seq: cue.seq, result, why, age_ms: Math.round(1000 * verdict.ageS) });
}

// -- what is asked for --

function wish(said, asked, rpe = null) {
  number += 1;
  const id = `page-${number}`;
  if (!mayCommand) return tell("This page may only look: open it with the whole address.");
  if (!link.say({ ...said, id })) return tell(`Not sent, for there is no connection: ${asked}.`);
  waiting.set(id, { asked, rpe, atS: nowS() });
  tell(`${asked} …`);
}

function control(action, asked) {
  wish({ type: "control", action }, asked);
}

function answered({ id, ok, error }) {
  const asked = waiting.get(id)?.asked;
  if (asked === undefined) return; // somebody else's
  waiting.delete(id);
  tell(ok ? `${asked}: done.` : `${asked}: ${error}.`);
}

function report(rpe) {
  wish({ type: "rpe", rpe }, `Effort ${rpe}`, rpe);
}

function pressMain() {
  const [action, asked] = mainAction(scene.view(nowS()).phase) ?? [];
  if (action) control(action, asked);
}

function mainAction(phase) {
  return phase === null ? null : phase in MAIN ? MAIN[phase] : ["pause", "Pause"];
}

function pressStop() {
  if (nowS() < stopUntilS) {
    stopUntilS = 0;
    control("stop", "Stop");
  } else {
    stopUntilS = nowS() + STOP_CONFIRM_S;
    announce("Press stop once more to end the run.");
  }
  draw();
}

function pressStartOrStop() {
  if (scene.view(nowS()).phase === "waiting") pressMain();
  else if (!$("stop").disabled) pressStop();
}

// -- what is shown --

function draw() {
  const at = nowS();
  const view = scene.view(at);
  const state = scene.state;
  const over = view.phase === "finished";
  const grey = !view.fresh && !over;
  document.body.classList.toggle("grey", grey);
  drawTrouble(view, over, at);
  write("plan", scene.plan);
  drawPhase(view, state);
  write("bpm", view.heart_rate_bpm === null ? "–" : String(Math.round(view.heart_rate_bpm)));
  write("trust", TRUST[view.trust]);
  setClass("trust", view.trust);
  $("bpm").classList.toggle("absent", view.heart_rate_bpm === null);
  write("zone", view.zone ? `zone ${view.zone}` : "");
  write("ceiling", view.ceiling_bpm ? `ceiling ${Math.round(view.ceiling_bpm)}` : "");
  drawCue();
  if (state !== null) drawNumbers(view, state);
  drawControls(view, at);
  if (state !== null) curve.phase(state);
  if (at - curveDrawnS >= 1) {
    curveDrawnS = at;
    curve.draw();
    setAttribute("curve", "aria-label", curve.summary);
  }
}

function drawTrouble(view, over, at) {
  const why = trouble(view);
  $("trouble").hidden = why === "" || over;
  write("trouble", why);
  $("trouble").classList.toggle("calm", link.up && brokerWhy === "" && CALM.includes(view.link));
  const lost = view.phase !== null && MOVING.includes(view.phase) && (view.age_s === null || view.age_s > LINK_LOST_S);
  if (lost && !lostTold && view.link !== "waiting for news") {
    lostTold = true;
    scene.joined(brokerUp); // the present phase is to be told when news come again
    sounds.play("link_lost");
    announce("Link lost. The times go on by themselves.");
  }
  for (const [id, { asked, rpe, atS }] of waiting) {
    if (rpe !== null && rpe === scene.state?.rpe) answered({ id, ok: true }); // an effort is answered by state alone
    else if (at - atS > ANSWER_WITHIN_S) answered({ id, ok: false, error: "no answer" });
  }
  if (at > toldUntilS) write("told", "");
}

// Whose silence it is; nothing while all is well.
function trouble(view) {
  const age = view.age_s === null ? "" : ` Last news ${since(view.age_s)} ago.`;
  if (!link.up) return `No connection to the display.${age} Trying again.`;
  if (!brokerUp && brokerWhy !== "") return `The broker is out of reach.${age} Trying again.`;
  switch (view.link) {
    case "bridge offline":
      return `The coach is not running.${age}`;
    case "no broker":
      return "Connecting.";
    case "nothing heard":
      return "Waiting for the coach.";
    case "waiting for news":
      return "Waiting for news.";
    case "no news":
      return `No news for ${since(view.age_s)}.`;
    default:
      return "";
  }
}

function drawPhase(view, state) {
  const phase = view.phase ?? "waiting";
  setClass("phase", phase);
  write("phase-word", PHASE[phase] ?? phase);
  const timed = view.remaining_s !== null && phase !== "waiting" && phase !== "finished";
  write("left", timed ? left(view.remaining_s) : phase === "finished" ? clock(state.elapsed_s) : "");
  write("next", next(state, phase));
  const wholeS = timed ? view.phase_elapsed_s + view.remaining_s : 0;
  $("passed").hidden = wholeS === 0;
  $("passed").value = wholeS === 0 ? 0 : view.phase_elapsed_s / wholeS;
}

function next(state, phase) {
  if (phase === "finished") return `run ${clock(state.run_s)}, walk ${clock(state.walk_s)}`;
  if (phase === "waiting") return state === null ? "" : "Press start, or put the strap on.";
  const coming = state.next_phase;
  if (coming === null) return "";
  const forS = coming === "run" ? state.ratio.run_s : coming === "walk" ? state.ratio.walk_s : 0;
  return `next ${PHASE[coming].toLowerCase()}${forS && phase !== "paused" ? ` ${clock(forS)}` : ""}`;
}

function drawCue() {
  const { said, decided } = scene;
  if (said === null) return;
  const shown = said.kind === "countdown" ? decided : said;
  write("say", shown.say);
  write("because", BECAUSE[shown.reason] ?? "");
}

function drawNumbers(view, state) {
  write("elapsed", clock(view.elapsed_s));
  const { planned_run_s, planned_walk_s, run_s, walk_s } = state.ratio;
  const planned = ratio(planned_run_s, planned_walk_s);
  const now = ratio(run_s, walk_s);
  write("ratio", now === planned ? now || "free" : `${planned} → ${now}`);
  $("distance-item").hidden = state.distance_m === null;
  if (state.distance_m !== null) write("distance", `${(state.distance_m / 1000).toFixed(2)} km`);
  for (const button of $("scale").children) {
    setAttribute(button, "aria-pressed", String(Number(button.value) === state.rpe));
  }
}

function drawControls(view, at) {
  const main = mainAction(view.phase);
  write("main", main?.[1] ?? "Start");
  $("main").disabled = main === null;
  const running = MOVING.includes(view.phase) || view.phase === "paused";
  $("extend").disabled = $("skip").disabled = $("stop").disabled = !running;
  $("controls").hidden = $("effort").hidden = !mayCommand;
  const confirming = at < stopUntilS;
  write("stop", confirming ? "Stop now?" : "Stop");
  $("stop").classList.toggle("confirming", confirming);
  setAttribute("sound", "aria-pressed", String(sounds.on));
  setAttribute("full-screen", "aria-pressed", String(document.fullscreenElement !== null));
}

// Only what has changed: a page that writes the same again wakes the layout, and screen readers.
function write(id, text) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
}

function setClass(id, name) {
  if ($(id).className !== name) $(id).className = name;
}

function setAttribute(at, name, value) {
  const element = typeof at === "string" ? $(at) : at;
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// Seen for a while, and read out.
function tell(text) {
  toldUntilS = nowS() + TOLD_FOR_S;
  write("told", text);
  announce(text);
}

// For screen readers: the one place that speaks by itself.
function announce(text) {
  write("announcer", text);
}

// -- the screen stays on --

async function keepAwake() {
  if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
  if (wakeLock !== null && !wakeLock.released) return;
  try {
    wakeLock = await navigator.wakeLock.request("screen");
  } catch (error) {
    if (error.name !== "NotAllowedError") throw error; // a battery that is low, say
  }
}

// -- buttons and keys --

function press(button, act) {
  button.addEventListener("click", (event) => {
    act();
    if (event.detail > 0) button.blur(); // after a tap the space bar is for pause again, not for this button
  });
}

for (const [rpe, words] of EFFORTS.entries()) {
  const button = document.createElement("button");
  button.type = "button";
  button.value = String(rpe);
  button.textContent = String(rpe);
  button.setAttribute("aria-label", `${rpe}, ${words}`);
  button.title = words;
  button.setAttribute("aria-pressed", "false");
  press(button, () => report(rpe));
  $("scale").append(button);
}

press($("main"), pressMain);
press($("extend"), () => control("extend", "15 seconds more"));
press($("skip"), () => control("skip", "Skip"));
press($("undo"), () => control("undo", "Undo"));
press($("stop"), pressStop);
press($("sound"), async () => {
  await (sounds.on ? sounds.turnOff() : sounds.turnOn());
  await keepAwake();
  draw();
});
press($("full-screen"), async () => {
  await (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  await keepAwake();
});
$("full-screen").hidden = !document.fullscreenEnabled;

// One key does one thing, and whoever speaks to the computer can turn that off (WCAG 2.1.4).
const KEYS = {
  " ": pressMain,
  "+": () => control("extend", "15 seconds more"),
  n: () => control("skip", "Skip"),
  u: () => control("undo", "Undo"),
  s: pressStartOrStop,
  t: () => report(10), // there is no key for ten
};
press($("keys"), () => {
  const on = $("keys").getAttribute("aria-pressed") !== "true";
  $("keys").setAttribute("aria-pressed", String(on));
});
document.addEventListener("keydown", (event) => {
  const own = event.target instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter");
  const off = $("keys").getAttribute("aria-pressed") !== "true";
  if (off || own || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const act = /^\d$/.test(event.key) ? () => report(Number(event.key)) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("visibilitychange", keepAwake);
document.addEventListener("fullscreenchange", draw);
window.addEventListener("resize", () => curve.draw());
setInterval(draw, REDRAW_MS);
keepAwake();
draw();
