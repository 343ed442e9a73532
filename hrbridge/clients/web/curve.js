// The heart rate of the last minutes, with the phases behind it and the ceiling above it.

// Two cycles of 4:1: this walk can be held against the one before.
const WINDOW_S = 600;
const MAX_POINTS = 2 * WINDOW_S;
// A gap in the signal is a gap in the line.
const GAP_S = 6;
const MARGIN_BPM = 8;
const LEAST_RANGE_BPM = 40;
const SVG = "http://www.w3.org/2000/svg";

export class Curve {
  #svg;
  #points = []; // {atS, bpm}, by the bridge's clock
  #bands = []; // {fromS, phase}
  #sid = null;
  #ceilingBpm = null;

  constructor(svg) {
    this.#svg = svg;
  }

  take(sid, tsMs, bpm) {
    this.#begin(sid);
    const atS = tsMs / 1000;
    if (bpm === null || atS <= (this.#points.at(-1)?.atS ?? -Infinity)) return;
    this.#points.push({ atS, bpm });
    if (this.#points.length > MAX_POINTS) this.#points.shift();
  }

  phase(state) {
    this.#begin(state.sid);
    this.#ceilingBpm = state.ceiling_bpm ?? null;
    if (this.#bands.at(-1)?.phase !== state.phase) {
      const beforeS = this.#bands.length ? 0 : state.phase_elapsed_s; // the first was there before us
      this.#bands.push({ fromS: state.ts_ms / 1000 - beforeS, phase: state.phase });
    }
    this.take(state.sid, state.ts_ms, state.heart_rate_bpm);
  }

  #begin(sid) {
    if (sid === this.#sid) return;
    this.#sid = sid;
    this.#points = [];
    this.#bands = [];
  }

  // The words for whoever cannot see it.
  get summary() {
    const recent = this.#points.filter((point) => point.atS > (this.#points.at(-1)?.atS ?? 0) - WINDOW_S);
    if (recent.length < 2) return "Heart rate of the last minutes: nothing yet.";
    const bpms = recent.map((point) => point.bpm);
    return `Heart rate of the last minutes: between ${Math.min(...bpms)} and ${Math.max(...bpms)}, now ${bpms.at(-1)}.`;
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    if (width === 0 || height === 0) return;
    const lastS = Math.max(this.#points.at(-1)?.atS ?? 0, this.#bands.at(-1)?.fromS ?? 0);
    while (this.#bands.length > 1 && this.#bands[1].fromS < lastS - WINDOW_S) this.#bands.shift();
    // A run that has just begun fills the picture from the left.
    const firstS = Math.max(lastS - WINDOW_S, Math.min(this.#points[0]?.atS ?? lastS, lastS - 60));
    const points = this.#points.filter((point) => point.atS >= firstS);
    const [lowBpm, highBpm] = this.#range(points);
    const left = 38;
    const x = (atS) => left + ((width - left - 4) * (atS - firstS)) / Math.max(1, lastS - firstS);
    const y = (bpm) => 6 + ((height - 12) * (highBpm - bpm)) / (highBpm - lowBpm);
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.replaceChildren(
      ...this.#drawnBands(x, firstS, lastS, height),
      ...this.#drawnScale(lowBpm, highBpm, y, left, width),
      ...this.#drawnCeiling(y, left, width),
      drawn("path", { class: "line", d: path(points, x, y) }),
      ...points.slice(-1).map((point) => drawn("circle", { class: "now", cx: x(point.atS), cy: y(point.bpm), r: 4 })),
    );
  }

  #range(points) {
    const bpms = points.map((point) => point.bpm);
    if (this.#ceilingBpm !== null) bpms.push(this.#ceilingBpm);
    if (bpms.length === 0) return [60, 160];
    const low = Math.min(...bpms) - MARGIN_BPM;
    return [low, Math.max(Math.max(...bpms) + MARGIN_BPM, low + LEAST_RANGE_BPM)];
  }

  #drawnBands(x, firstS, lastS, height) {
    return this.#bands.map(({ fromS, phase }, index) => {
      const start = x(Math.max(fromS, firstS));
      const end = x(this.#bands[index + 1]?.fromS ?? lastS);
      return drawn("rect", { class: `band ${phase}`, x: start, y: 0, width: Math.max(0, end - start), height });
    });
  }

  #drawnScale(lowBpm, highBpm, y, left, width) {
    const lines = [];
    const every = highBpm - lowBpm > 70 ? 40 : 20;
    for (let bpm = Math.ceil(lowBpm / every) * every; bpm < highBpm; bpm += every) {
      lines.push(drawn("line", { class: "grid", x1: left, x2: width - 4, y1: y(bpm), y2: y(bpm) }));
      if (this.#ceilingBpm === null || Math.abs(y(bpm) - y(this.#ceilingBpm)) > 14) {
        lines.push(drawn("text", { x: left - 6, y: y(bpm) + 4 }, String(bpm)));
      }
    }
    return lines;
  }

  #drawnCeiling(y, left, width) {
    if (this.#ceilingBpm === null) return [];
    const at = y(this.#ceilingBpm);
    return [
      drawn("line", { class: "ceiling", x1: left, x2: width - 4, y1: at, y2: at }),
      drawn("text", { class: "ceiling", x: left - 6, y: at + 4 }, String(Math.round(this.#ceilingBpm))),
    ];
  }
}

function path(points, x, y) {
  let lastS = -Infinity;
  return points
    .map(({ atS, bpm }) => {
      const word = atS - lastS > GAP_S ? "M" : "L";
      lastS = atS;
      return `${word}${x(atS).toFixed(1)} ${y(bpm).toFixed(1)}`;
    })
    .join("");
}

function drawn(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
