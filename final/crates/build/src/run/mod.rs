//! RUN: a container on the layers below it, and its mounts.
