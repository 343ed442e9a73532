// The way to the server: one WebSocket that comes back for ever, and is given up when it falls silent.

// The server says something every 2.5 s. A phone that was out of reach holds on to a dead connection for minutes.
const SILENT_S = 8;
// With some chance in it, so that a room full of pages does not come back at once.
const BACKOFF_S = [0.3, 1, 2, 4];

export function nowS() {
  return performance.now() / 1000; // never the time of day: nobody need have set this machine's clock
}

export class Link {
  #heard;
  #changed;
  #socket = null;
  #failures = 0;
  #heardAtS = 0;

  // heard(message, receivedAtS) for everything the server says; changed(up) when the connection comes and goes.
  constructor(heard, changed) {
    this.#heard = heard;
    this.#changed = changed;
    this.#open();
    setInterval(() => this.#watch(), 1000);
    // Back from sleep or from another network: at once, not when the next attempt is due.
    window.addEventListener("online", () => this.#open());
    document.addEventListener("visibilitychange", () => this.#watch());
  }

  get up() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  // False when there is no connection: a wish that comes late is worse than none.
  say(wish) {
    if (!this.up) return false;
    this.#socket.send(JSON.stringify(wish));
    return true;
  }

  #open() {
    if (this.#socket !== null) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/messages`);
    this.#socket = socket;
    this.#heardAtS = nowS();
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return; // what pours out of one that was given up is old
      this.#heardAtS = nowS();
      this.#failures = 0;
      this.#heard(JSON.parse(event.data), this.#heardAtS);
    };
    socket.onopen = () => {
      const token = new URLSearchParams(location.hash.slice(1)).get("token");
      if (token !== null) this.say({ type: "token", token });
      this.#changed(true);
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #watch() {
    if (this.#socket !== null && nowS() - this.#heardAtS > SILENT_S) {
      this.#socket.close();
      this.#lost();
    }
  }

  #lost() {
    this.#socket = null;
    this.#changed(false);
    const waitS = BACKOFF_S[Math.min(this.#failures, BACKOFF_S.length - 1)] * (0.6 + 0.4 * Math.random());
    this.#failures += 1;
    setTimeout(() => this.#open(), 1000 * waitS);
  }
}
