//! The text of a picture. Each line is an item, and the lines indented below it are its parts:
//!
//! ```text
//! # What the picture shows, in words.
//! row
//!   box host "*laptop*" "eth0 `192.0.2.1`"
//!   arrow "sends"
//!   box container "*web*"@1
//! ```
//!
//! The first word of a line is the kind of the item (`Kind`). Quoted words are the lines of its text: `*bold*`, and code
//! between backticks. The other words are
//!
//! ```text
//! host container outside       what the item belongs to: its colour, and the shape of its corners
//! shared                       the host's, and visible in the container
//! gone                         absent
//! thick dashed                 how its border or its line is drawn
//! new                          marked with a thick border and the word "new"
//! back both                    an arrow to the item before, or in both directions
//! arrows                       a tree with arrows instead of lines
//! keep                         a row or grid that stays one on a narrow page
//! tight apart                  no space between the parts, or more than usual
//! left                         text begins at the left
//! least-160                    at least so many pixels wide
//! ```
//!
//! A word ends with `@…` if only some drawings have it: `@3` from step 3 on, `@1-2` in steps 1 and 2, `@wide` and
//! `@narrow` on pages of that shape. `@…` as the first word of a line holds for the item with its parts, and as the first
//! word of a comment for the comment. What begins with the step that is drawn is marked as new, unless it is `quiet`.

use anyhow::{Context, Result, bail, ensure};

pub const LAST_STEP: u8 = 7;

/// The words behind a kind, in addition to `least-N` and the number of a grid's columns.
const WORDS: [&str; 16] = [
    "host",
    "container",
    "outside",
    "shared",
    "gone",
    "thick",
    "dashed",
    "new",
    "back",
    "both",
    "arrows",
    "keep",
    "tight",
    "apart",
    "left",
    "quiet",
];

/// How deep items may be nested. The layout follows them by recursion.
const DEEPEST: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Wide,
    Narrow,
}

/// Which drawing of a picture is wanted.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// 0 before the first step, `LAST_STEP + 1` for the whole without a mark at anything.
    pub step: u8,
    pub shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Its parts side by side, one below the other on a narrow page.
    Row,
    Column,
    /// Its parts in so many columns on a wide page, and in one on a narrow page.
    Grid(usize),
    Box,
    Text,
    /// Between its neighbours; a link is an arrow without a head.
    Arrow,
    Link,
    /// A box with its parts below it, each at the end of a line from the box.
    Tree,
    /// Messages between two processes: `life` for each, `left` and `right` for what one does alone, `send` and `reply`
    /// for messages, `gate` where the right one waits.
    Lifelines,
    Life,
    Left,
    Right,
    Send,
    Reply,
    Gate,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub kind: Kind,
    /// Classes of the style sheet and words for the layout.
    pub words: Vec<String>,
    pub lines: Vec<String>,
    pub parts: Vec<Item>,
}

impl Item {
    pub fn is(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    /// The word `least-160` asks for a width of 160 pixels or more.
    pub fn least_width(&self) -> f64 {
        let widths = self.words.iter().filter_map(|word| word.strip_prefix("least-")?.parse().ok());
        widths.fold(0.0, f64::max)
    }

    pub fn is_arrow(&self) -> bool {
        matches!(self.kind, Kind::Arrow | Kind::Link)
    }

    pub fn begins_with_text(&self) -> bool {
        match self.kind {
            Kind::Row | Kind::Column => self.parts.first().is_some_and(Self::begins_with_text),
            kind => kind == Kind::Text,
        }
    }

    /// Whether it can be drawn with its parts: what is not drawn would be missed by nobody.
    fn check(&self) -> Result<()> {
        let is_event = |kind| {
            matches!(kind, Kind::Life | Kind::Left | Kind::Right | Kind::Send | Kind::Reply | Kind::Gate)
        };
        let events = self.parts.iter().filter(|part| is_event(part.kind)).count();
        match self.kind {
            Kind::Grid(columns) => ensure!((1..=20).contains(&columns), "a grid has 1 to 20 columns"),
            Kind::Lifelines => {
                let lives = self.parts.iter().filter(|part| part.kind == Kind::Life).count();
                ensure!(lives == 2, "lifelines have two of `life`, and here are {lives}");
                ensure!(events == self.parts.len(), "lifelines have messages only");
                return Ok(());
            }
            Kind::Row | Kind::Column | Kind::Box | Kind::Tree => {}
            kind => ensure!(self.parts.is_empty(), "{kind:?} has no parts"),
        }
        ensure!(events == 0, "only lifelines have messages");
        Ok(())
    }

    fn new(kind: Kind) -> Self {
        Self { kind, words: Vec::new(), lines: Vec::new(), parts: Vec::new() }
    }
}

#[derive(Debug)]
pub struct Picture {
    pub root: Item,
    /// What it shows, in words.
    pub words: String,
}

impl Picture {
    pub fn read(text: &str, view: View) -> Result<Self> {
        let mut words = Vec::new();
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match line.trim_start().strip_prefix('#') {
                Some(comment) => words.extend(view.comment(comment.trim())?),
                None => lines.push((number + 1, line)),
            }
        }
        ensure!(!words.is_empty(), "it does not begin with a description");
        let mut root = Item::new(Kind::Column);
        let mut rest = lines.as_slice();
        root.parts = parts(&mut rest, 0, 0, view)?;
        ensure!(rest.is_empty(), "line {} is indented too little", rest[0].0);
        root.check()?;
        Ok(Self { root, words: words.join(" ") })
    }
}

/// The lines with that indentation, each with the lines below it that have more.
fn parts(lines: &mut &[(usize, &str)], indent: usize, depth: usize, view: View) -> Result<Vec<Item>> {
    let mut parts = Vec::new();
    while let Some(((number, line), rest)) = lines.split_first() {
        let own = line.len() - line.trim_start().len();
        if own < indent {
            break;
        }
        *lines = rest;
        let item = item(line, view).with_context(|| format!("line {number}"))?;
        ensure!(depth < DEEPEST, "line {number}: it is nested in more than {DEEPEST} items");
        let below = self::parts(lines, own + 1, depth + 1, view)?;
        if let Some(mut item) = item {
            item.parts = below;
            item.check().with_context(|| format!("line {number}"))?;
            parts.push(item);
        }
    }
    Ok(parts)
}

/// One line; nothing if this drawing does not have it.
fn item(line: &str, view: View) -> Result<Option<Item>> {
    let mut words = split(line)?.into_iter().peekable();
    let mut is_new = false;
    if let Some((_, mark)) = words.next_if(|(word, _)| word.is_empty()) {
        if !view.has(&mark)? {
            return Ok(None);
        }
        is_new = view.begins(&mark);
    }
    let (kind, _) = words.next().context("a line begins with a kind")?;
    let mut item = Item::new(self::kind(&kind)?);
    for (word, mark) in words {
        if !view.has(&mark)? {
            continue;
        }
        is_new |= view.begins(&mark);
        match word.strip_prefix('"') {
            Some(line) => item.lines.push(line.to_owned()),
            None => match word.parse() {
                Ok(columns) if matches!(item.kind, Kind::Grid(_)) => item.kind = Kind::Grid(columns),
                _ => {
                    let is_width =
                        word.strip_prefix("least-").is_some_and(|width| width.parse::<u16>().is_ok());
                    ensure!(is_width || WORDS.contains(&word.as_str()), "there is no word {word}");
                    item.words.push(word);
                }
            },
        }
    }
    if is_new && !item.is("quiet") {
        item.words.push("new".to_owned());
    }
    Ok(Some(item))
}

fn kind(word: &str) -> Result<Kind> {
    Ok(match word {
        "row" => Kind::Row,
        "column" => Kind::Column,
        "grid" => Kind::Grid(2),
        "box" => Kind::Box,
        "text" => Kind::Text,
        "arrow" => Kind::Arrow,
        "link" => Kind::Link,
        "tree" => Kind::Tree,
        "lifelines" => Kind::Lifelines,
        "life" => Kind::Life,
        "left" => Kind::Left,
        "right" => Kind::Right,
        "send" => Kind::Send,
        "reply" => Kind::Reply,
        "gate" => Kind::Gate,
        _ => bail!("there is no kind {word}"),
    })
}

/// The words of a line, each with its mark. A quoted word keeps its first quote.
fn split(line: &str) -> Result<Vec<(String, String)>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').context("a quote has no end")?;
                (&rest[..end + 1], &quoted[end + 1..])
            }
            None => rest.split_at(rest.find([' ', '@']).unwrap_or(rest.len())),
        };
        let (mark, after) = after.split_at(after.find(' ').unwrap_or(after.len()));
        words.push((word.to_owned(), mark.to_owned()));
        rest = after.trim_start();
    }
    Ok(words)
}

impl View {
    /// Whether this drawing has what carries that mark, such as `@3`, `@1-2@wide` or none.
    fn has(self, mark: &str) -> Result<bool> {
        let mut has = true;
        for mark in mark.split('@').skip(1) {
            has &= match mark {
                "wide" => self.shape == Shape::Wide,
                "narrow" => self.shape == Shape::Narrow,
                _ => {
                    let (from, to) = range(mark).with_context(|| format!("what is @{mark}?"))?;
                    (from..=to).contains(&self.step)
                }
            };
        }
        Ok(has)
    }

    /// Whether the range of that mark begins with the step that is drawn.
    fn begins(self, mark: &str) -> bool {
        let ranges = mark.split('@').filter_map(range);
        self.step > 0 && ranges.into_iter().any(|(from, _)| from == self.step)
    }

    /// The comment, if this drawing has it.
    fn comment(self, comment: &str) -> Result<Option<String>> {
        let (mark, text) = match comment.starts_with('@') {
            true => comment.split_once(' ').unwrap_or((comment, "")),
            false => ("", comment),
        };
        Ok(self.has(mark)?.then(|| text.to_owned()))
    }
}

/// `3` is from 3 on, `1-2` is 1 and 2.
fn range(mark: &str) -> Option<(u8, u8)> {
    match mark.split_once('-') {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => Some((mark.parse().ok()?, u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &str = "
# A container.
# @2 With a network.
box host \"*host*\"
  @1 box container@2 quiet@3 \"web\"@wide \"w\"@narrow
    @2-2 text \"network\"
";

    fn read(step: u8, shape: Shape) -> Picture {
        Picture::read(PICTURE, View { step, shape }).unwrap()
    }

    #[test]
    fn each_step_has_what_its_marks_say() {
        let before = read(0, Shape::Wide);
        assert_eq!(before.words, "A container.");
        assert!(before.root.parts[0].parts.is_empty(), "{before:?}");

        let first = read(1, Shape::Narrow).root.parts.remove(0).parts.remove(0);
        assert_eq!((first.words, first.lines), (vec!["new".to_owned()], vec!["w".to_owned()]));

        let second = read(2, Shape::Wide);
        assert_eq!(second.words, "A container. With a network.");
        let web = &second.root.parts[0].parts[0];
        assert!(web.is("container") && web.is("new") && web.parts.len() == 1, "{web:?}");

        let third = read(3, Shape::Wide).root.parts.remove(0).parts.remove(0);
        assert!(third.is("container") && !third.is("new") && third.parts.is_empty(), "{third:?}");
    }

    #[test]
    fn a_mistake_is_an_error_with_its_line() {
        for (text, complaint) in [
            ("box \"a\"", "does not begin with a description"),
            ("# A box.\nbix \"a\"", "line 2: there is no kind bix"),
            ("# A box.\nbox \"a", "line 2: a quote has no end"),
            ("# A box.\nbox \"a\"@next", "line 2: what is @next?"),
            ("# A box.\nbox hsot \"a\"", "line 2: there is no word hsot"),
            ("# A box.\nbox least-inf \"a\"", "line 2: there is no word least-inf"),
            ("# A grid.\ngrid 0\n  box \"a\"", "line 2: a grid has 1 to 20 columns"),
            (
                "# Two.\nlifelines\n  life \"a\"\n  send \"b\"",
                "line 2: lifelines have two of `life`, and here are 1",
            ),
            ("# A box.\nbox \"a\"\n  send \"b\"", "line 2: only lifelines have messages"),
            ("# A text.\ntext \"a\"\n  box \"b\"", "line 2: Text has no parts"),
        ] {
            let view = View { step: 0, shape: Shape::Wide };
            let error = format!("{:#}", Picture::read(text, view).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
        let deep: String = (0..100_000).map(|depth| format!("{}row\n", " ".repeat(depth.min(40)))).collect();
        let view = View { step: 0, shape: Shape::Wide };
        let error = format!("{:#}", Picture::read(&format!("# Deep.\n{deep}"), view).unwrap_err());
        assert!(error.contains("nested in more than 30"), "{error}");
    }
}
