//! Random layers, unpacked by hull and by umoci: the trees are the same, file by file.

mod fake_registry;
mod trees;

use std::collections::BTreeMap;
use std::process::Command;

use fake_registry::Content;
use hull_test_support::outcome::run;
use hull_test_support::{Scenario, skip};
use tar::EntryType;
use trees::{Layer, Member, differences, layout, mounted, tree, unmount};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Directory,
    Other,
}

/// Makes layers as a builder does: each one changes the tree that the layers below it left.
struct Generator {
    state: u64,
    /// The visible tree after the layers so far.
    seen: BTreeMap<String, Kind>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seen: BTreeMap::new() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % bound
    }

    fn pick(&mut self, kind: Kind) -> Option<String> {
        let of: Vec<String> =
            self.seen.iter().filter(|(_, k)| **k == kind).map(|(path, _)| path.clone()).collect();
        if of.is_empty() { None } else { Some(of[self.below(of.len() as u64) as usize].clone()) }
    }

    fn forget(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.seen.retain(|other, _| other != path && !other.starts_with(&inside));
    }

    /// A path in an existing directory, which is new or replaces something.
    fn path(&mut self) -> String {
        let parent = if self.below(3) == 0 { None } else { self.pick(Kind::Directory) };
        let name = match self.below(12) {
            0 => format!("long-{}", "n".repeat(120 + self.below(100) as usize)),
            1 => "with space\tand\ntab".into(),
            2 => "ümlaut".into(),
            n => format!("n{n}"),
        };
        parent.map_or(name.clone(), |parent| format!("{parent}/{name}"))
    }

    fn layer(&mut self) -> Vec<u8> {
        let mut layer = Layer::default();
        // The paths of this layer: a whiteout refers to layers below, and a hard link to this one.
        let mut own: Vec<String> = Vec::new();
        let lower = self.seen.clone();
        for _ in 0..self.below(25) + 3 {
            match self.below(10) {
                0 => self.whiteout(&mut layer, &lower, &mut own),
                1 => self.opaque(&mut layer, &mut own),
                2 if !own.is_empty() => {
                    let target = own[self.below(own.len() as u64) as usize].clone();
                    let path = self.path();
                    if self.is_free(&path)
                        && !self.seen.contains_key(&path)
                        && self.seen.get(&target) == Some(&Kind::Other)
                    {
                        layer.add(&Member {
                            kind: EntryType::Link,
                            path: path.as_bytes(),
                            link: target.as_bytes(),
                            ..Member::default()
                        });
                        self.seen.insert(path.clone(), Kind::Other);
                        own.push(path);
                    }
                }
                _ => self.member(&mut layer, &mut own),
            }
        }
        layer.end()
    }

    /// Whether all parents are directories.
    fn is_free(&self, path: &str) -> bool {
        path.rsplit_once('/').is_none_or(|(parent, _)| self.seen.get(parent) == Some(&Kind::Directory))
    }

    fn member(&mut self, layer: &mut Layer, own: &mut Vec<String>) {
        let path = self.path();
        // Not twice in one layer, because no specification says what that means.
        if !self.is_free(&path)
            || own.iter().any(|other| *other == path || other.starts_with(&format!("{path}/")))
        {
            return;
        }
        let data: Vec<u8> = (0..self.below(3000)).map(|at| (at * 7 % 251) as u8).collect();
        let mode = [0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o000][self.below(7) as usize];
        let owner = [(0, 0), (1000, 1000), (33, 4), (70_000, 3_000_000)][self.below(4) as usize];
        let modified = 900_000_000 + self.below(500_000_000);
        let values: [(&str, &[u8]); 2] = [
            ("user.note", b"a\nb=c\0"),
            ("security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ];
        let (kind, attributes) = match self.below(9) {
            0..3 => (EntryType::Directory, if self.below(4) == 0 { &values[..1] } else { &[] }),
            3 => (EntryType::Symlink, &[][..]),
            4 => ([EntryType::Fifo, EntryType::Char, EntryType::Block][self.below(3) as usize], &[][..]),
            _ => (EntryType::Regular, if self.below(3) == 0 { &values[..] } else { &[] }),
        };
        let is_directory = kind == EntryType::Directory;
        let stays = is_directory && self.seen.get(&path) == Some(&Kind::Directory);
        if !stays {
            self.forget(&path);
        }
        let link = if kind == EntryType::Symlink { &b"../some/where"[..] } else { b"" };
        let data = if kind == EntryType::Regular { &data[..] } else { b"" };
        layer.add(&Member {
            kind,
            path: path.as_bytes(),
            link,
            data,
            mode,
            owner,
            modified,
            device: (1, 3),
            attributes,
        });
        self.seen.insert(path.clone(), if is_directory { Kind::Directory } else { Kind::Other });
        own.push(path);
    }

    fn whiteout(&mut self, layer: &mut Layer, lower: &BTreeMap<String, Kind>, own: &mut Vec<String>) {
        let kind = if self.below(2) == 0 { Kind::Directory } else { Kind::Other };
        let Some(path) = self.pick(kind) else { return };
        let touched = own.iter().any(|other| *other == path || other.starts_with(&format!("{path}/")));
        if touched || !lower.contains_key(&path) {
            return;
        }
        let (parent, name) =
            path.rsplit_once('/').map_or(("", path.as_str()), |(parent, name)| (parent, name));
        let whiteout = if parent.is_empty() { format!(".wh.{name}") } else { format!("{parent}/.wh.{name}") };
        layer.add(&Member { path: whiteout.as_bytes(), ..Member::default() });
        self.forget(&path);
        own.push(path);
    }

    fn opaque(&mut self, layer: &mut Layer, own: &mut Vec<String>) {
        let Some(path) = self.pick(Kind::Directory) else { return };
        if own.iter().any(|other| other.starts_with(&format!("{path}/"))) {
            return;
        }
        layer.add(&Member { path: format!("{path}/.wh..wh..opq").as_bytes(), ..Member::default() });
        let inside = format!("{path}/");
        self.seen.retain(|other, _| !other.starts_with(&inside));
        own.push(format!("{path}/.wh..wh..opq"));
    }
}

/// `HULL_TREES=1-1000` runs more of them.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let asked = std::env::var("HULL_TREES").ok();
    let bounds = asked.as_deref().and_then(|asked| asked.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = bounds.unwrap_or((1, 12));
    first..=last
}

/// The members of a layer, for the message of a failure.
fn list(layer: &[u8]) -> String {
    let mut archive = tar::Archive::new(layer);
    let members = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        format!(
            "{:?} {:?} {:?}",
            entry.header().entry_type(),
            entry.path().unwrap(),
            entry.link_name().unwrap()
        )
    });
    members.collect::<Vec<_>>().join("\n")
}

#[test]
fn random_layers_unpack_as_umoci_does() {
    if skip::find_program("umoci").is_none() {
        skip!("umoci is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    for seed in seeds() {
        let mut generator = Generator::new(seed);
        let layers: Vec<Vec<u8>> = (0..generator.below(5) + 1).map(|_| generator.layer()).collect();
        let mut content = Content::default();
        content.image("1", &layers);
        let directory = t.path(format!("layout-{seed}"));
        layout(&directory, &content, "made");
        let bundle = t.path(format!("bundle-{seed}"));
        run(Command::new("umoci")
            .args(["unpack", "--image", &format!("{}:made", directory.display())])
            .arg(&bundle))
        .ok();
        let loaded = t.ok(&["load", "-q", "-i", directory.to_str().unwrap()]);
        let id = loaded.rsplit(' ').next().unwrap();
        let target = mounted(&t, id, "seed");
        let (ours, theirs) = (tree(&target), tree(&bundle.join("rootfs")));
        let differ = differences(&ours, &theirs);
        unmount(&target);
        let listed = || layers.iter().map(|layer| list(layer)).collect::<Vec<_>>().join("\n---\n");
        assert!(differ.is_empty(), "seed {seed}, hull / umoci:\n{}\n{}", differ.join("\n"), listed());
        assert_eq!(ours.len(), generator.seen.len(), "seed {seed}: what the generator thinks there is");
        std::fs::remove_dir_all(bundle).unwrap();
        t.ok(&["rmi", id]);
    }
}
