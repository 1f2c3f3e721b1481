//! The ids of a running container's files. A command of the host sees those that the container's user namespace gives them,
//! and what it copies has those that the container sees. A stopped container is mounted without a user namespace.

use std::ffi::CString;

use hull_sys::id_map::Ids;

use crate::records::userns::IdMaps;

/// What a file belongs to inside if its owner has no id there: the kernel's overflow id (user_namespaces(7)).
const NOBODY: u32 = 65534;

/// `VFS_CAP_REVISION_3` and its mask; include/uapi/linux/capability.h. This revision names the user whose namespace the
/// capabilities are for, in its last four bytes, and is otherwise like the one before it.
const REVISION: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// The tags of entries with an id; include/uapi/linux/posix_acl.h.
const ACL_USER: u16 = 2;
const ACL_GROUP: u16 = 8;

/// Between the ids of the host and those of a container.
#[derive(Debug, Clone, Default)]
pub(super) struct ContainerIds(Option<IdMaps>);

impl ContainerIds {
    pub(super) fn new(maps: Option<IdMaps>) -> Self {
        Self(maps)
    }

    /// The ids inside of the ids outside.
    pub(super) fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let Some(maps) = &self.0 else { return (uid, gid) };
        let inside = |ids, id| maps.inside(ids, id).unwrap_or(NOBODY);
        (inside(Ids::Users, uid), inside(Ids::Groups, gid))
    }

    /// The ids outside of the ids inside. `None` if one of them is not mapped.
    pub(super) fn outside(&self, uid: u32, gid: u32) -> Option<(u32, u32)> {
        let Some(maps) = &self.0 else { return Some((uid, gid)) };
        Some((maps.outside(Ids::Users, uid)?, maps.outside(Ids::Groups, gid)?))
    }

    /// The ids that a process has to create files with. `None`: its own.
    pub(super) fn creator(&self) -> Option<(u32, u32)> {
        self.0.as_ref().map(IdMaps::root)
    }

    /// Attributes as the container sees them: those that name ids.
    pub(super) fn attributes_inside(
        &self,
        mut attributes: Vec<(CString, Vec<u8>)>,
    ) -> Vec<(CString, Vec<u8>)> {
        let Some(maps) = &self.0 else { return attributes };
        for (name, value) in &mut attributes {
            match name.to_bytes() {
                b"security.capability" => forget_namespace(value, maps.root().0),
                b"system.posix_acl_access" | b"system.posix_acl_default" => {
                    translate_acl(value, |ids, id| maps.inside(ids, id).unwrap_or(NOBODY));
                }
                _ => {}
            }
        }
        attributes
    }

    /// ACLs as the host has to write them; `None` if they are the same. File capabilities stay as they are: the layers of a
    /// container hold them without a namespace.
    pub(super) fn attributes_outside(
        &self,
        attributes: &[(CString, Vec<u8>)],
    ) -> Option<Vec<(CString, Vec<u8>)>> {
        let maps = self.0.as_ref()?;
        let mut attributes = attributes.to_vec();
        for (name, value) in &mut attributes {
            if name.to_bytes().starts_with(b"system.posix_acl_") {
                translate_acl(value, |ids, id| maps.outside(ids, id).unwrap_or(NOBODY));
            }
        }
        Some(attributes)
    }
}

/// Makes capabilities for the namespace of the container's root into those of the initial one.
fn forget_namespace(value: &mut Vec<u8>, root: u32) {
    let word = |value: &[u8], at: usize| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
    let (Some(magic), Some(owner), 24) = (word(value, 0), word(value, 20), value.len()) else { return };
    if magic & REVISION == REVISION_3 && owner == root {
        value[..4].copy_from_slice(&(magic & !REVISION | REVISION_2).to_le_bytes());
        value.truncate(20);
    }
}

/// acl(5) as the kernel stores it: a version, and entries of a tag, permissions and an id.
fn translate_acl(value: &mut [u8], id: impl Fn(Ids, u32) -> u32) {
    for entry in value.get_mut(4..).into_iter().flat_map(|entries| entries.chunks_exact_mut(8)) {
        let ids = match u16::from_le_bytes([entry[0], entry[1]]) {
            ACL_USER => Ids::Users,
            ACL_GROUP => Ids::Groups,
            _ => continue,
        };
        let old = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        entry[4..].copy_from_slice(&id(ids, old).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hull_runtime::spec::IdMapping;

    fn ids() -> ContainerIds {
        let maps = vec![IdMapping { container_id: 0, host_id: 100_000, size: 1000 }];
        ContainerIds::new(Some(IdMaps { uids: maps.clone(), gids: maps }))
    }

    #[test]
    fn ids_are_translated_both_ways() {
        assert_eq!(ids().inside(100_007, 100_008), (7, 8));
        assert_eq!(ids().inside(0, 101_000), (NOBODY, NOBODY));
        assert_eq!(ids().outside(7, 8), Some((100_007, 100_008)));
        assert_eq!(ids().outside(1000, 0), None);
        assert_eq!(ContainerIds::default().inside(5, 6), (5, 6));
    }

    #[test]
    fn capabilities_and_acls_name_the_ids_inside() {
        let mut capability = vec![0u8; 24];
        capability[..4].copy_from_slice(&(REVISION_3 | 1).to_le_bytes());
        capability[20..].copy_from_slice(&100_000u32.to_le_bytes());
        let acl = |id: u32| {
            let mut acl = vec![2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0];
            acl.extend(id.to_le_bytes());
            acl
        };
        let attributes = vec![
            (c"security.capability".into(), capability),
            (c"system.posix_acl_access".into(), acl(100_007)),
        ];
        let inside = ids().attributes_inside(attributes);
        assert_eq!((inside[0].1.len(), &inside[0].1[..4]), (20, &[1, 0, 0, 2][..]));
        assert_eq!(inside[1].1, acl(7));
        assert_eq!(ids().attributes_outside(&inside[1..]).unwrap()[0].1, acl(100_007));
    }
}
