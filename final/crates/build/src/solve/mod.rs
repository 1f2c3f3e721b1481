//! Runs the graph of steps: stages side by side, one process each.
