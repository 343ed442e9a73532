"""Past runs: what they add up to, what to run next, files and pages made of them."""
