//! The stages of a Dockerfile become a graph of steps, with arguments and variables expanded.
