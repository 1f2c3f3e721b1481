//! Which processes a unix socket serves: unix(7), `SO_PEERCRED` and `SO_PEERGROUPS`.
//!
//! The file's modes already keep others out. They are checked again by the ids of the process that has connected, because a
//! file's modes can be changed, and because a container may have been given the file. A process in a container with a user
//! namespace has none of the ids that are served, even if it is root there; root of a container without one is root, and was
//! given the socket. A member of the socket's group can start a container that mounts the host's root, so it is root too.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::id_map::in_user_namespace;
use hull_sys::net::read_option;
use nix::libc::{SO_PEERGROUPS, SOL_SOCKET};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// The id that the kernel shows for one without a mapping (user_namespaces(7)).
const UNMAPPED: u32 = 65534;

/// linux/limits.h: `NGROUPS_MAX`, 4 bytes each.
const MAX_GROUPS: usize = 65536 * 4;

/// The client that has connected. Ids as this process's user namespace shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub groups: Vec<u32>,
    /// Of a client that has come by TCP, and that TLS lets in. It has no ids.
    pub address: Option<SocketAddr>,
}

/// As in the log.
impl std::fmt::Display for Peer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(address) => write!(formatter, "address={address}"),
            None => write!(formatter, "pid={} uid={}", self.pid, self.uid),
        }
    }
}

/// Which processes are served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Users: the server's own, and the owner of the file.
    pub users: Vec<u32>,
    /// The group that may write to the file.
    pub group: Option<u32>,
    /// All users outside of this process's user namespace look the same. If the modes let in only the file's owner and root,
    /// such a user is root.
    pub admits_unmapped: bool,
}

impl Access {
    /// By the owner and the modes of the socket's file.
    pub fn of_file(uid: u32, gid: u32, mode: u32) -> Self {
        Self {
            users: vec![rustix::process::geteuid().as_raw(), uid],
            group: (mode & 0o020 != 0).then_some(gid),
            admits_unmapped: mode & 0o022 == 0 && in_user_namespace(),
        }
    }

    pub fn admits(&self, peer: &Peer) -> bool {
        peer.address.is_some()
            || peer.uid == 0
            || self.users.contains(&peer.uid)
            || self.group.is_some_and(|group| peer.groups.contains(&group))
            || self.admits_unmapped && peer.uid == UNMAPPED
    }
}

impl Peer {
    /// As the kernel recorded it when the client connected.
    pub fn of(socket: &OwnedFd) -> std::io::Result<Self> {
        let peer = getsockopt(socket, PeerCredentials)?;
        let mut groups = vec![peer.gid()];
        let mut bytes = vec![0; 256];
        let length = match read_option(socket.as_fd(), SOL_SOCKET, SO_PEERGROUPS, &mut bytes) {
            Err(nix::Error::ERANGE) => {
                bytes = vec![0; MAX_GROUPS];
                read_option(socket.as_fd(), SOL_SOCKET, SO_PEERGROUPS, &mut bytes)?
            }
            read => read?,
        };
        let numbers = bytes[..length].chunks_exact(4);
        groups.extend(numbers.map(|number| u32::from_ne_bytes([number[0], number[1], number[2], number[3]])));
        Ok(Self { pid: peer.pid(), uid: peer.uid(), groups, address: None })
    }

    /// What a process that is not served is told.
    pub fn refusal(&self, access: &Access) -> String {
        let served = access.group.map_or_else(
            || "its owner and root".to_owned(),
            |group| format!("its owner, root, and the members of group {group}"),
        );
        format!("permission denied: user {} may not use this socket, which serves {served}", self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_root_and_the_group_are_served() {
        let access = Access { users: vec![1000], group: Some(7), admits_unmapped: false };
        let peer = |uid, groups: &[u32]| Peer { pid: 1, uid, groups: groups.to_vec(), address: None };
        for (uid, groups, served) in [
            (1000, &[1000][..], true),
            (0, &[0], true),
            (5, &[5, 7], true),
            (5, &[5], false),
            (65534, &[65534], false),
        ] {
            assert_eq!(access.admits(&peer(uid, groups)), served, "{uid} {groups:?}");
        }
        let inside = Access { admits_unmapped: true, ..access };
        assert!(inside.admits(&peer(65534, &[])));
    }

    #[test]
    fn a_peer_has_the_ids_of_its_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = Peer::of(&one.into()).unwrap();
        assert_eq!((peer.pid, peer.uid), (std::process::id() as i32, rustix::process::geteuid().as_raw()));
        let mut own: Vec<u32> =
            nix::unistd::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
        own.insert(0, rustix::process::getegid().as_raw());
        assert_eq!(peer.groups, own);
    }
}
