"""Producers: one process beside each host's Docker Engines that publishes what they say, show and count."""
