//! A network's part on the host. The first container that needs the network has it made; it stays when the last one goes.

use super::context::{Context, Sockets};
use super::record::{DEFAULT, NetworkRecord};
use super::{default, store};
use crate::error::{Error, Result};

/// Loads the network, and makes its part on the host if that is missing or incomplete. Also returns the index of the link
/// that containers are attached to: the network's bridge, or its parent link.
pub(super) fn ensure(
    context: Context<'_>,
    name: &str,
    sockets: &mut Sockets,
) -> Result<(NetworkRecord, u32)> {
    if let Some(network) = store::load(context.root, name)?
        && let Some(index) = network.driver().find(&network, &mut sockets.route)?
    {
        return Ok((network, index));
    }
    let _lock = store::lock_exclusive(context.root, name)?;
    let network = match name {
        DEFAULT => default::load_or_choose(context, &mut sockets.route)?,
        _ => store::load(context.root, name)?.ok_or_else(|| Error::NoSuchNetwork(name.to_owned()))?,
    };
    // Another container may have made it before the lock was granted.
    let index = match network.driver().find(&network, &mut sockets.route)? {
        Some(index) => index,
        None => network.driver().setup(context.root, &network, sockets)?,
    };
    Ok((network, index))
}
