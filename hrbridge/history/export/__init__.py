"""Runs of the journal as files that other programs read: FIT, TCX, CSV. Each writer spells one Activity."""
