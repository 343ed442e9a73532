// The board of every runner on the broker, whoever needs a look first.

import { NEED, RUNNER_ID, Rank, attention, byNumber } from "./attention.js";
import { PHASE, left } from "./labels.js";
import { Link, nowS } from "./link.js";
import { Scene } from "./scene.js";

// Seconds are counted down; nobody reads faster.
const REDRAW_MS = 500;
// Small matters stand first among those who are well; why somebody does not run is said by the phase.
const SAID_BY_PHASE = [NEED.PAUSED, NEED.WAITING, NEED.FINISHED];
// What is worth interrupting a screen reader for.
const URGENT = NEED.NEWS;

const $ = (id) => document.getElementById(id);
const lists = { looks: $("looks"), well: $("well"), others: $("others") };
const runners = new Map(); // by id: what is known of one, and the card that shows it
let joined = false;
let brokerWhy = "";

const link = new Link(hear, (up) => {
  if (!up) join(false);
  draw();
});

function hear(message, receivedAtS) {
  if (message.type === "broker") {
    brokerWhy = message.why;
    join(message.up);
    draw();
  } else if (message.type === "message" && RUNNER_ID.test(message.runner)) {
    runner(message.runner).scene.take(message.topic, message.payload, message.retained, receivedAtS);
  }
}

function join(up) {
  joined = up;
  for (const { scene } of runners.values()) scene.joined(up);
}

function runner(id) {
  let known = runners.get(id);
  if (known === undefined) {
    known = { name: byNumber(id), scene: new Scene(), rank: new Rank(), card: new Card(id), urgent: false };
    known.scene.joined(joined);
    runners.set(id, known);
  }
  return known;
}

class Card {
  #parts = {};

  constructor(id) {
    this.id = id;
    this.item = document.createElement("li");
    for (const [tag, name] of [["b", "name"], ["span", "bpm"], ["span", "phase"], ["span", "left"], ["span", "why"]]) {
      const part = document.createElement(tag);
      part.className = name;
      this.#parts[name] = part;
      this.item.append(part, " ");
    }
    this.#parts.name.textContent = id;
  }

  show(view, why) {
    const phase = view.phase ?? "waiting";
    const old = view.fresh || phase === "finished" ? "" : " old";
    if (this.item.className !== phase + old) this.item.className = phase + old;
    const timed = view.remaining_s !== null && phase !== "waiting" && phase !== "finished";
    const doubt = view.trust === "doubtful" ? "?" : "";
    this.#write("bpm", view.heart_rate_bpm === null ? "–" : `${Math.round(view.heart_rate_bpm)}${doubt}`);
    this.#write("phase", PHASE[phase] ?? phase);
    this.#write("left", timed ? left(view.remaining_s) : "");
    this.#write("why", why);
  }

  #write(name, text) {
    const part = this.#parts[name];
    if (part.textContent !== text) part.textContent = text;
  }
}

function draw() {
  const at = nowS();
  const sorted = { looks: [], well: [], others: [] };
  for (const each of runners.values()) {
    const view = each.scene.view(at);
    const { need, why } = attention(view);
    const rank = each.rank.of(need, at);
    each.card.show(view, SAID_BY_PHASE.includes(need) ? "" : why);
    sorted[rank < NEED.SMALL ? "looks" : rank <= NEED.NONE ? "well" : "others"].push([rank, each]);
    const urgent = need <= URGENT;
    if (urgent && !each.urgent) announce(`${each.card.id}: ${why}`);
    each.urgent = urgent;
  }
  for (const [name, section] of Object.entries(lists)) place(section, sorted[name]);
  drawHead(sorted.looks.length);
}

// Only whoever is out of place is moved.
function place(section, ranked) {
  ranked.sort(([a, { name: x }], [b, { name: y }]) => a - b || (x < y ? -1 : 1));
  const list = section.lastElementChild;
  for (const [index, [, { card }]] of ranked.entries()) {
    if (list.children[index] !== card.item) list.insertBefore(card.item, list.children[index] ?? null);
  }
  section.hidden = ranked.length === 0;
}

function drawHead(looks) {
  const many = `${runners.size} runner${runners.size === 1 ? "" : "s"}`;
  write("count", looks === 0 ? many : `${many}, ${looks} to look at`);
  const why = trouble();
  const empty = runners.size === 0 ? "Nobody is here yet." : "";
  $("trouble").hidden = (why || empty) === "";
  $("trouble").classList.toggle("calm", why === "");
  write("trouble", why || empty);
}

function trouble() {
  if (!link.up) return "No connection to the display. Trying again.";
  return !joined && brokerWhy !== "" ? "The broker is out of reach. Trying again." : "";
}

function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function announce(text) {
  write("announcer", text);
}

$("full-screen").hidden = !document.fullscreenEnabled;
$("full-screen").addEventListener("click", () =>
  document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(),
);
document.addEventListener("fullscreenchange", () => {
  $("full-screen").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
});
setInterval(draw, REDRAW_MS);
draw();
