//! `--ansi` and `--progress`.

use std::io::IsTerminal;

use anyhow::{Result, bail};

/// `--ansi`: when control sequences are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ansi {
    Never,
    Always,
    #[default]
    Auto,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// In place on a terminal, otherwise plain.
    #[default]
    Auto,
    Tty,
    Plain,
    Json,
    Quiet,
}

/// How this command writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    pub ansi: Ansi,
    pub mode: Mode,
    /// `NO_COLOR`: text is written in place, but in no colour.
    pub is_monochrome: bool,
}

impl Style {
    /// `ansi` is the flag's value or `COMPOSE_ANSI`'s, `progress` the flag's or `COMPOSE_PROGRESS`'s. Compose's rules for
    /// values that contradict each other.
    pub fn new(ansi: Option<&str>, progress: Option<&str>, no_color: bool) -> Result<Self> {
        let ansi = match ansi.unwrap_or("auto") {
            "never" => Ansi::Never,
            "always" => Ansi::Always,
            // Compose takes any other value for `auto`.
            _ => Ansi::Auto,
        };
        let mode = match (progress.unwrap_or_default(), ansi) {
            ("" | "auto", Ansi::Never) => Mode::Plain,
            ("" | "auto", Ansi::Always) => Mode::Tty,
            ("" | "auto", Ansi::Auto) => Mode::Auto,
            ("tty", Ansi::Never) => bail!("can't use --progress tty while ANSI support is disabled"),
            ("tty", _) => Mode::Tty,
            ("plain", Ansi::Always) => bail!("can't use --progress plain while ANSI support is forced"),
            ("plain", _) => Mode::Plain,
            ("quiet" | "none", _) => Mode::Quiet,
            ("json", _) => Mode::Json,
            (other, _) => bail!("unsupported --progress value {other:?}"),
        };
        Ok(Self { ansi, mode, is_monochrome: no_color })
    }

    /// The mode for what is written to stderr.
    pub fn resolved(&self) -> Mode {
        match self.mode {
            Mode::Auto if std::io::stderr().is_terminal() => Mode::Tty,
            Mode::Auto => Mode::Plain,
            mode => mode,
        }
    }

    /// Whether prefixes are coloured and lines are erased on stdout.
    pub fn is_coloured(&self) -> bool {
        !self.is_monochrome
            && match self.ansi {
                Ansi::Never => false,
                Ansi::Always => true,
                Ansi::Auto => std::io::stdout().is_terminal(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_checked_against_each_other() {
        let mode =
            |ansi, progress| Style::new(Some(ansi), Some(progress), false).map(|style| style.mode).ok();
        assert_eq!(mode("auto", ""), Some(Mode::Auto));
        assert_eq!(mode("never", "auto"), Some(Mode::Plain));
        assert_eq!(mode("always", "auto"), Some(Mode::Tty));
        assert_eq!(mode("never", "tty"), None);
        assert_eq!(mode("always", "plain"), None);
        assert_eq!(mode("auto", "none"), Some(Mode::Quiet));
        assert_eq!(mode("auto", "json"), Some(Mode::Json));
        assert_eq!(mode("auto", "fancy"), None);
    }
}
