// The sounds and shakes of a cue, once a tap has allowed them. Up means run, down means walk; as tones.py says.

// Pitch in Hz, for so many seconds, and the silence after it, s.
export const BEEPS = {
  run: [[784, 0.11, 0.02], [1174.7, 0.22, 0]],
  walk: [[587.3, 0.11, 0.02], [392, 0.26, 0]],
  surge: [[784, 0.07, 0.02], [987.8, 0.07, 0.02], [1174.7, 0.07, 0.02], [1568, 0.18, 0]],
  finish: [[523.3, 0.12, 0.02], [659.3, 0.12, 0.02], [784, 0.12, 0.02], [1046.5, 0.45, 0]],
  warning: Array(3).fill([[1760, 0.09, 0.02], [1318.5, 0.09, 0.02]]).flat(),
  tick: [[987.8, 0.05, 0]],
  note: [[659.3, 0.14, 0]],
  link_lost: [[293.7, 0.2, 0.08], [293.7, 0.2, 0.08], [220, 0.35, 0]],
  ready: [[523.3, 0.1, 0.05], [1046.5, 0.2, 0]],
};
// Milliseconds of shaking, stillness, shaking: to be told apart through a sleeve.
const SHAKES = {
  run: [400],
  surge: [400, 100, 400],
  walk: [150, 100, 150],
  finish: [150, 100, 150, 100, 600],
  warning: [100, 60, 100, 60, 100, 60, 100],
  link_lost: [600, 200, 600],
  note: [80],
};
const PEAK = 0.8;
// One that begins or ends at once clicks.
const EDGE_S = 0.008;

export class Sounds {
  #context = null;

  get on() {
    return this.#context !== null && this.#context.state !== "suspended";
  }

  // Only out of a tap or a key: a browser lets nothing sound without one.
  async turnOn() {
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.play("ready");
  }

  async turnOff() {
    await this.#context?.suspend();
  }

  play(tone) {
    if (!this.on) return;
    let atS = this.#context.currentTime + 0.02;
    for (const [hertz, forS, gapS] of BEEPS[tone] ?? BEEPS.note) {
      this.#beep(hertz, atS, forS);
      atS += forS + gapS;
    }
    navigator.vibrate?.(SHAKES[tone] ?? []);
  }

  #beep(hertz, atS, forS) {
    const oscillator = new OscillatorNode(this.#context, { frequency: hertz });
    const gain = new GainNode(this.#context, { gain: 0 });
    gain.gain.setValueAtTime(0, atS);
    gain.gain.linearRampToValueAtTime(PEAK, atS + EDGE_S);
    gain.gain.setValueAtTime(PEAK, atS + forS - EDGE_S);
    gain.gain.linearRampToValueAtTime(0, atS + forS);
    oscillator.connect(gain).connect(this.#context.destination);
    oscillator.start(atS);
    oscillator.stop(atS + forS);
  }
}
