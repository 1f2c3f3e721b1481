//! How an image was built: its history, and the Dockerfile instructions in it.

use crate::config::History;
use crate::error::Result;
use crate::reference::Reference;
use crate::store::{Images, chain_ids};

/// A step of the build. Lists have the newest step first.
#[derive(Debug, Clone)]
pub struct HistoryLine {
    /// The image's id, for the last step only.
    pub id: Option<String>,
    pub created: Option<String>,
    pub created_by: String,
    pub comment: String,
    pub size: u64,
    /// Whether the step made a layer.
    pub layer: bool,
}

impl Images {
    pub fn history(&self, name: &str) -> Result<Vec<HistoryLine>> {
        let (manifest, config) = self.documents(&self.find(name)?)?;
        let mut chain = chain_ids(&config).into_iter();
        let mut lines = Vec::new();
        for History { created, created_by, comment, empty_layer } in config.history {
            let layer = if empty_layer { None } else { chain.next() };
            lines.push(HistoryLine {
                layer: !empty_layer,
                id: None,
                created,
                created_by: created_by.unwrap_or_default(),
                comment: comment.unwrap_or_default(),
                size: layer.map_or(0, |id| self.layers().size(id.hex()).unwrap_or(0)),
            });
        }
        // Layers that the history does not mention.
        for id in chain {
            lines.push(HistoryLine {
                layer: true,
                id: None,
                created: None,
                created_by: String::new(),
                comment: String::new(),
                size: self.layers().size(id.hex()).unwrap_or(0),
            });
        }
        if let Some(last) = lines.last_mut() {
            last.id = Some(manifest.config.digest.to_string());
        }
        lines.reverse();
        Ok(lines)
    }

    /// The chain ID of each image's highest layer, and the image's names.
    pub fn tops(&self) -> Result<Vec<(String, Vec<String>)>> {
        let mut tops = Vec::new();
        for line in self.catalog()?.lines() {
            // A damaged image's layers are not known.
            let Ok((_, config)) = line.entry().and_then(|entry| self.documents(&entry)) else { continue };
            let name = line.name().and_then(|name| Reference::parse(name).ok()).map(|name| name.familiar());
            if let Some(top) = chain_ids(&config).pop() {
                tops.push((top.hex().to_owned(), name.into_iter().collect()));
            }
        }
        Ok(tops)
    }

    /// The instructions of the image's Dockerfile, as far as the history has them.
    pub fn dockerfile(&self, name: &str) -> Result<Vec<String>> {
        let (_, config) = self.documents(&self.find(name)?)?;
        let mut lines = vec!["FROM scratch".to_owned()];
        for step in &config.history {
            let comment = step.comment.as_deref().unwrap_or_default();
            match step.created_by.as_deref().map(str::trim).unwrap_or_default() {
                "" if comment.is_empty() => lines.push("# a layer of unknown origin".into()),
                "" => lines.push(format!("# a layer of unknown origin: {}", one_line(comment))),
                by => lines.push(instruction(by)),
            }
        }
        Ok(lines)
    }
}

/// Builders record what they ran: `/bin/sh -c #(nop) CMD …` and `/bin/sh -c …` (docker's old builder),
/// `RUN /bin/sh -c … # buildkit`.
fn instruction(by: &str) -> String {
    let by = by.trim_end_matches("# buildkit").trim_end();
    let shell = by.strip_prefix("RUN ").unwrap_or(by);
    // Build arguments come first: `|1 VERSION=3 /bin/sh -c …`.
    let shell = match shell.strip_prefix('|') {
        Some(_) => shell.find("/bin/sh -c ").map_or(shell, |at| &shell[at..]),
        None => shell,
    };
    match shell.strip_prefix("/bin/sh -c ") {
        Some(rest) => match rest.trim_start().strip_prefix("#(nop)") {
            Some(instruction) => one_line(instruction.trim()),
            None => format!("RUN {}", one_line(rest.trim())),
        },
        None if INSTRUCTIONS.iter().any(|name| by.split_whitespace().next() == Some(name)) => one_line(by),
        None => format!("RUN {}", one_line(by)),
    }
}

const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The text comes from the image, so it must not contain control characters, nor a newline that would start another
/// instruction.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim_end).collect::<Vec<_>>().join(" \\\n    ");
    lines.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_notes_become_instructions() {
        for (by, expected) in [
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", "CMD [\"bash\"]"),
            ("/bin/sh -c apt-get update", "RUN apt-get update"),
            ("RUN /bin/sh -c make # buildkit", "RUN make"),
            ("|1 V=3 /bin/sh -c make", "RUN make"),
            ("COPY x /y # buildkit", "COPY x /y"),
            ("/bin/sh -c #(nop) ADD file:abc in / ", "ADD file:abc in /"),
            ("sleep 100", "RUN sleep 100"),
            ("RUN a\nb", "RUN a \\\n    b"),
        ] {
            assert_eq!(instruction(by), expected);
        }
    }
}
