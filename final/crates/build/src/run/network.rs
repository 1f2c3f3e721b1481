//! The network namespace that the steps of a stage share.

use std::os::fd::OwnedFd;

use hull_engine::Engine;
use hull_engine::options::{CreateOptions, NetworkMode};
use hull_engine::steps::StageNetwork;

use crate::Result;

/// The network of one stage. It is made when the second step with the default network begins: a single step is faster
/// with a network of its own.
#[derive(Debug, Default)]
pub struct SharedNetwork {
    /// How many steps with the default network have begun.
    steps: usize,
    /// `None` inside: the default network cannot be shared.
    network: Option<Option<StageNetwork>>,
}

impl SharedNetwork {
    /// The namespace that a step with these options joins; `None` if it makes its own.
    pub fn join(&mut self, engine: &Engine, options: &CreateOptions) -> Result<Option<OwnedFd>> {
        if options.network != NetworkMode::Default {
            return Ok(None);
        }
        self.steps += 1;
        if self.steps < 2 {
            return Ok(None);
        }
        let network = match &self.network {
            Some(network) => network,
            None => self.network.insert(engine.stage_network(options)?),
        };
        Ok(network.as_ref().map(StageNetwork::namespace).transpose()?)
    }
}
