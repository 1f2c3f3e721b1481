//! `[SOURCE:]TARGET[:OPTIONS]`.

use super::*;
use crate::path::clean;

pub(super) fn transform(
    node: &mut Node,
    path: &Path<'_>,
    unreadable: Unreadable,
    warn: &mut Warn<'_>,
) -> Result<()> {
    let Value::String(text) = &node.value else { return Ok(()) };
    match parse(text) {
        Ok(volume) => {
            for option in &volume.ignored {
                warn(format!("{path}: the option {option:?} is ignored"), node.place);
            }
            node.value = volume.value(node.place);
        }
        Err(_) if unreadable == Unreadable::Kept => {}
        Err(why) => {
            return Err(path
                .error(node, format_args!("{text:?}: {why}"))
                .hint("write [SOURCE:]TARGET[:OPTIONS]"));
        }
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Volume<'a> {
    source: &'a str,
    target: &'a str,
    read_only: bool,
    selinux: Option<&'a str>,
    propagation: Option<&'a str>,
    no_copy: bool,
    /// Options that Compose drops.
    ignored: Vec<&'a str>,
}

fn parse(text: &str) -> Result<Volume<'_>, &'static str> {
    if text.is_empty() {
        return Err("a volume must have a target");
    }
    let mut volume = Volume::default();
    // Compose takes a text of two characters for a target, whatever they are.
    if text.len() <= 2 {
        volume.target = text;
        return Ok(volume);
    }
    let parts = split(text);
    if parts.iter().any(|part| part.is_empty()) {
        return Err("a part between colons is empty");
    }
    let options = match parts[..] {
        [target] => {
            volume.target = target;
            ""
        }
        [source, target] => {
            (volume.source, volume.target) = (source, target);
            ""
        }
        [source, target, options] => {
            (volume.source, volume.target) = (source, target);
            options
        }
        _ => return Err("too many colons"),
    };
    for option in options.split(',') {
        match option {
            "ro" => volume.read_only = true,
            "rw" => volume.read_only = false,
            "nocopy" => volume.no_copy = true,
            "z" | "Z" => volume.selinux = Some(option),
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                volume.propagation = Some(option)
            }
            // A mount is as consistent as the first asks for anyway, and the others allow less.
            "" | "consistent" | "cached" | "delegated" => {}
            _ => volume.ignored.push(option),
        }
    }
    Ok(volume)
}

/// Splits at colons, but not at those of `${NAME:-default}` and of a Windows drive.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '$' if text[at + 1..].starts_with('{') => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && !is_drive(&text[begin..at]) => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn is_drive(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

/// Whether a source is a path of the host. Otherwise it is the name of a volume.
fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
        || source.starts_with("\\\\")
        || source.split_once(':').is_some_and(|(drive, _)| is_drive(drive))
}

impl Volume<'_> {
    fn value(&self, place: Place) -> Value {
        let mut fields = vec![("target", string(clean(self.target)))];
        if !self.source.is_empty() {
            fields.push(("source", string(self.source)));
        }
        if self.read_only {
            fields.push(("read_only", Value::Bool(true)));
        }
        let is_bind = is_path(self.source);
        let mut bind = vec![];
        bind.extend(self.selinux.map(|label| ("selinux", string(label))));
        bind.extend(self.propagation.map(|propagation| ("propagation", string(propagation))));
        if is_bind {
            bind.push(("create_host_path", Value::Bool(true)));
        }
        if !bind.is_empty() {
            fields.push(("bind", mapping(place, bind)));
        }
        if self.no_copy {
            fields.push(("volume", mapping(place, [("nocopy", Value::Bool(true))])));
        } else if !is_bind && (self.target.len() > 2 || !self.source.is_empty()) {
            fields.push(("volume", mapping(place, [])));
        }
        fields.push(("type", string(if is_bind { "bind" } else { "volume" })));
        mapping(place, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match parse(text) {
            Ok(volume) => {
                let node = Node { value: volume.value(Place::default()), place: Place::default(), tag: None };
                let tree = crate::print::Tree::of(&node, crate::print::Form::Json);
                crate::print::json::compact(&tree).replace('"', "")
            }
            Err(why) => why.to_owned(),
        }
    }

    #[test]
    fn volumes_are_read_as_compose_reads_them() {
        for (text, volume) in [
            ("/data", "{target:/data,type:volume,volume:{}}"),
            ("/d", "{target:/d,type:volume}"),
            ("data:/data/", "{source:data,target:/data,type:volume,volume:{}}"),
            ("data:/data:nocopy", "{source:data,target:/data,type:volume,volume:{nocopy:true}}"),
            (
                "./a:/b:ro,z",
                "{bind:{create_host_path:true,selinux:z},read_only:true,source:./a,target:/b,type:bind}",
            ),
            ("~/a:/b", "{bind:{create_host_path:true},source:~/a,target:/b,type:bind}"),
            ("c:\\a:/b", "{bind:{create_host_path:true},source:c:\\\\a,target:/b,type:bind}"),
            ("${A:-./x}:/b", "{source:${A:-./x},target:/b,type:volume,volume:{}}"),
            ("aa:/b:ro:x", "too many colons"),
            ("aa::/b", "a part between colons is empty"),
            ("", "a volume must have a target"),
        ] {
            assert_eq!(read(text), volume, "{text}");
        }
    }
}
