"""Where events come from: a strap, a recording, a simulated runner."""
