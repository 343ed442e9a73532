"""hrbridge: a heart-rate coach for run-walk training."""

__version__ = "0.1.0"
