//! Where each item goes. An item says how much room it takes at least (`size`), then it is placed into the room that it
//! gets (`place`), which can be larger: boxes in a row become equally high, boxes in a column equally wide.

use super::lifelines;
use super::source::{Item, Kind, Shape};
use super::text::{self, LINE};

/// Between a border and what is inside, and between neighbours.
const PADDING: f64 = 10.0;
const GAP: f64 = 12.0;

/// How far the parts of a tree are indented, and where its lines leave the box above.
const INDENT: f64 = 28.0;
const STEM: f64 = 14.0;

/// Of the mark at new boxes, with the space to its left.
const NEW_WIDTH: f64 = 48.0;

/// The size of that mark.
const FLAG: (f64, f64) = (42.0, 26.0);

/// Around everything, so that the outermost border is drawn whole.
const MARGIN: f64 = 3.0;

#[derive(Debug)]
pub struct Drawing {
    pub width: f64,
    pub height: f64,
    pub marks: Vec<Mark>,
}

/// What is drawn, in this order.
#[derive(Debug)]
pub enum Mark {
    Rect {
        area: Area,
        class: String,
    },
    Line {
        points: Vec<(f64, f64)>,
        class: String,
    },
    /// The head of an arrow with its tip at a point, and where it points to.
    Head {
        tip: (f64, f64),
        towards: (f64, f64),
    },
    /// `y` is the upper edge of the line.
    Text {
        x: f64,
        y: f64,
        anchor: Anchor,
        line: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, Copy)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    Across,
    Down,
}

pub fn lay_out(root: &Item, shape: Shape) -> Drawing {
    let mut layout = Layout { shape, marks: Vec::new() };
    let (width, height) = layout.size(root, Flow::Down);
    layout.place(root, Area { x: MARGIN, y: MARGIN, width, height }, Flow::Down);
    Drawing { width: width + 2.0 * MARGIN, height: height + 2.0 * MARGIN, marks: layout.marks }
}

pub struct Layout {
    pub shape: Shape,
    pub marks: Vec<Mark>,
}

impl Layout {
    fn flow(&self, item: &Item) -> Flow {
        match item.kind {
            Kind::Row if self.shape == Shape::Wide || item.is("keep") => Flow::Across,
            _ => Flow::Down,
        }
    }

    fn columns(&self, item: &Item) -> usize {
        match item.kind {
            Kind::Grid(columns) if self.shape == Shape::Wide || item.is("keep") => columns,
            _ => 1,
        }
    }

    /// The least room of an item in a parent with that flow.
    fn size(&self, item: &Item, parent: Flow) -> (f64, f64) {
        let (width, height) = block(&item.lines);
        match item.kind {
            Kind::Arrow | Kind::Link => match parent {
                Flow::Across => (f64::max(44.0, width + 30.0), 2.0 * height + 14.0),
                Flow::Down if item.lines.is_empty() => (20.0, 26.0),
                Flow::Down => (width, height + 36.0),
            },
            Kind::Row | Kind::Column => self.size_of_parts(item),
            Kind::Grid(_) => self.size_of_grid(item),
            Kind::Lifelines => lifelines::size(item, self.shape),
            Kind::Tree => self.size_of_tree(item),
            Kind::Box => {
                let (inner_width, inner_height) = self.size_of_parts(item);
                let (own_width, own_height) = size_of_box(item);
                let gap = if item.parts.is_empty() || item.lines.is_empty() { 0.0 } else { 6.0 };
                (f64::max(own_width, inner_width + 2.0 * PADDING), own_height + gap + inner_height)
            }
            _ => (width, height),
        }
    }

    fn size_of_parts(&self, item: &Item) -> (f64, f64) {
        let flow = self.flow(item);
        let sizes = item.parts.iter().map(|part| self.size(part, flow));
        let (mut along, mut across) = (gaps(item), 0.0);
        for (width, height) in sizes {
            let (own, other) = if flow == Flow::Across { (width, height) } else { (height, width) };
            along += own;
            across = f64::max(across, other);
        }
        if flow == Flow::Across { (along, across) } else { (across, along) }
    }

    fn size_of_grid(&self, item: &Item) -> (f64, f64) {
        let columns = self.columns(item);
        let sizes: Vec<_> = item.parts.iter().map(|part| self.size(part, Flow::Down)).collect();
        let width = sizes.iter().fold(0.0, |widest, size| f64::max(widest, size.0));
        let heights =
            sizes.chunks(columns).map(|row| row.iter().fold(0.0, |most, size| f64::max(most, size.1)));
        let rows = sizes.len().div_ceil(columns);
        let between = |count: usize| GAP * count.saturating_sub(1) as f64;
        (width * columns as f64 + between(columns), heights.sum::<f64>() + between(rows))
    }

    fn size_of_tree(&self, item: &Item) -> (f64, f64) {
        let (mut width, mut height) = size_of_box(item);
        for part in &item.parts {
            let (part_width, part_height) = self.size(part, Flow::Down);
            width = f64::max(width, INDENT + part_width);
            height += GAP + part_height;
        }
        (width, height)
    }

    fn place(&mut self, item: &Item, area: Area, parent: Flow) {
        match item.kind {
            Kind::Arrow | Kind::Link if parent == Flow::Across => self.place_across(item, area),
            Kind::Arrow | Kind::Link => self.place_down(item, area),
            Kind::Row | Kind::Column => self.place_parts(item, area),
            Kind::Grid(_) => self.place_grid(item, area),
            Kind::Lifelines => lifelines::place(self, item, area),
            Kind::Tree => self.place_tree(item, area),
            Kind::Box => self.place_box(item, area),
            _ => {
                let (_, height) = block(&item.lines);
                let y = area.y + (area.height - height) / 2.0;
                let anchor = if item.is("left") { Anchor::Start } else { Anchor::Middle };
                let x = if item.is("left") { area.x } else { area.x + area.width / 2.0 };
                self.text(&item.lines, x, y, anchor);
            }
        }
    }

    fn place_parts(&mut self, item: &Item, area: Area) {
        let flow = self.flow(item);
        let sizes: Vec<_> = item.parts.iter().map(|part| self.size(part, flow)).collect();
        let along = |size: &(f64, f64)| if flow == Flow::Across { size.0 } else { size.1 };
        let room = if flow == Flow::Across { area.width } else { area.height };
        let spare = room - gaps(item) - sizes.iter().map(along).sum::<f64>();
        // What is left over goes to the boxes.
        let wants = |part: &Item| !part.is_arrow() && part.kind != Kind::Text;
        let count = item.parts.iter().filter(|part| wants(part)).count();
        let mut at = 0.0;
        for (index, part) in item.parts.iter().enumerate() {
            let share = if wants(part) { spare / count as f64 } else { 0.0 };
            let length = along(&sizes[index]) + share;
            let area = match flow {
                Flow::Across => Area { x: area.x + at, width: length, ..area },
                Flow::Down => Area { y: area.y + at, height: length, ..area },
            };
            self.place(part, area, flow);
            at += length + gap(item, index);
        }
    }

    fn place_grid(&mut self, item: &Item, area: Area) {
        let columns = self.columns(item);
        let width = (area.width - GAP * (columns as f64 - 1.0)) / columns as f64;
        let mut y = area.y;
        let rows = item.parts.len().div_ceil(columns);
        let spare = (area.height - self.size_of_grid(item).1) / rows.max(1) as f64;
        for row in item.parts.chunks(columns) {
            let heights = row.iter().map(|part| self.size(part, Flow::Down).1);
            let height = heights.fold(0.0, f64::max) + spare;
            for (column, part) in row.iter().enumerate() {
                let x = area.x + column as f64 * (width + GAP);
                self.place(part, Area { x, y, width, height }, Flow::Down);
            }
            y += height + GAP;
        }
    }

    /// A box with its lines: in its middle if it has nothing else, else at its top left.
    fn place_box(&mut self, item: &Item, area: Area) {
        self.rect(area, class(item));
        let (_, height) = block(&item.lines);
        let has_parts = !item.parts.is_empty();
        if item.is("new") {
            let x = area.x + area.width - FLAG.0 - 5.0;
            let pill = Area { x, y: area.y + 5.0, width: FLAG.0, height: FLAG.1 };
            self.rect(pill, "flag".to_owned());
            self.text(&["*new*".to_owned()], pill.x + pill.width / 2.0, pill.y + 3.5, Anchor::Middle);
        }
        let mark = if item.is("new") { NEW_WIDTH - PADDING } else { 0.0 };
        let is_left = has_parts || item.is("left");
        let x = if is_left { area.x + PADDING } else { area.x + (area.width - mark) / 2.0 };
        let y = if has_parts { area.y + PADDING - 2.0 } else { area.y + (area.height - height) / 2.0 };
        self.text(&item.lines, x, y, if is_left { Anchor::Start } else { Anchor::Middle });
        if has_parts {
            let used = height + PADDING + if item.lines.is_empty() { 0.0 } else { 6.0 };
            let inner = Area {
                x: area.x + PADDING,
                y: area.y + used,
                width: area.width - 2.0 * PADDING,
                height: area.height - used - PADDING,
            };
            self.place_parts(item, inner);
        }
    }

    fn place_tree(&mut self, item: &Item, area: Area) {
        let (width, height) = size_of_box(item);
        let own = Area { width, height, ..area };
        let leaf = Item { parts: Vec::new(), ..item.clone() };
        self.place_box(&leaf, own);
        let mut y = area.y + height;
        for part in &item.parts {
            let (width, height) = self.size(part, Flow::Down);
            y += GAP;
            let first = match part.kind {
                Kind::Tree => size_of_box(part).1,
                _ if part.parts.is_empty() => height,
                _ => f64::min(height, 2.0 * PADDING + LINE),
            };
            let (stem, middle) = (area.x + STEM, y + first / 2.0);
            let points =
                vec![(stem, area.y + size_of_box(item).1), (stem, middle), (area.x + INDENT, middle)];
            self.marks.push(Mark::Line { points, class: line_class(part) });
            if item.is("arrows") {
                self.head((area.x + INDENT, middle), (1.0, 0.0));
            }
            self.place(part, Area { x: area.x + INDENT, y, width, height }, Flow::Down);
            y += height;
        }
    }

    /// An arrow to the right with its lines above it.
    fn place_across(&mut self, item: &Item, area: Area) {
        let y = area.y + area.height / 2.0;
        let (start, end) = (area.x, area.x + area.width);
        self.arrow(item, (start, y), (end, y));
        let (_, height) = block(&item.lines);
        self.text(&item.lines, area.x + area.width / 2.0, y - height - 4.0, Anchor::Middle);
    }

    /// An arrow downwards, interrupted by its lines.
    fn place_down(&mut self, item: &Item, area: Area) {
        let x = area.x + area.width / 2.0;
        let (start, end) = (area.y, area.y + area.height);
        let (_, height) = block(&item.lines);
        if item.lines.is_empty() {
            return self.arrow(item, (x, start), (x, end));
        }
        let top = start + (area.height - height) / 2.0 - 4.0;
        self.line((x, start), (x, top), line_class(item));
        self.text(&item.lines, x, top + 4.0, Anchor::Middle);
        self.line((x, top + height + 6.0), (x, end), line_class(item));
        self.heads(item, (x, start), (x, end));
    }

    fn arrow(&mut self, item: &Item, start: (f64, f64), end: (f64, f64)) {
        self.line(start, end, line_class(item));
        self.heads(item, start, end);
    }

    fn heads(&mut self, item: &Item, start: (f64, f64), end: (f64, f64)) {
        if item.kind == Kind::Link {
            return;
        }
        let length = f64::hypot(end.0 - start.0, end.1 - start.1);
        let towards = ((end.0 - start.0) / length, (end.1 - start.1) / length);
        if !item.is("back") {
            self.head(end, towards);
        }
        if item.is("back") || item.is("both") {
            self.head(start, (-towards.0, -towards.1));
        }
    }

    pub fn rect(&mut self, area: Area, class: String) {
        self.marks.push(Mark::Rect { area, class });
    }

    pub fn line(&mut self, start: (f64, f64), end: (f64, f64), class: String) {
        self.marks.push(Mark::Line { points: vec![start, end], class });
    }

    pub fn head(&mut self, tip: (f64, f64), towards: (f64, f64)) {
        self.marks.push(Mark::Head { tip, towards });
    }

    pub fn text(&mut self, lines: &[String], x: f64, y: f64, anchor: Anchor) {
        for (index, line) in lines.iter().enumerate() {
            let y = y + index as f64 * LINE;
            self.marks.push(Mark::Text { x, y, anchor, line: line.clone() });
        }
    }
}

/// The room of some lines.
pub fn block(lines: &[String]) -> (f64, f64) {
    let width = lines.iter().map(|line| text::width(line)).fold(0.0, f64::max);
    (width, lines.len() as f64 * LINE)
}

/// Of a box without its parts.
pub fn size_of_box(item: &Item) -> (f64, f64) {
    let (width, height) = block(&item.lines);
    let mark = if item.is("new") { NEW_WIDTH } else { 0.0 };
    let height = height + 2.0 * PADDING - if item.parts.is_empty() { 2.0 } else { 0.0 };
    (f64::max(item.least_width(), width + mark + 2.0 * PADDING), height)
}

/// After the part of that index; nothing around an arrow, which touches what it connects.
fn gap(item: &Item, index: usize) -> f64 {
    let Some(next) = item.parts.get(index + 1) else { return 0.0 };
    let this = &item.parts[index];
    if next.is_arrow() || this.is_arrow() {
        // Text keeps a distance from the arrow.
        let is_next_to_text = this.is_arrow() && next.begins_with_text();
        return if is_next_to_text { 5.0 } else { 0.0 };
    }
    match item.is("tight") {
        true => 0.0,
        false if item.is("apart") => 2.5 * GAP,
        false => GAP,
    }
}

fn gaps(item: &Item) -> f64 {
    (0..item.parts.len()).map(|index| gap(item, index)).sum()
}

/// The classes of the style sheet among an item's words.
pub fn class(item: &Item) -> String {
    const CLASSES: [&str; 8] = ["host", "container", "outside", "shared", "gone", "new", "dashed", "thick"];
    CLASSES.into_iter().filter(|class| item.is(class)).collect::<Vec<_>>().join(" ")
}

/// A line has no colour of its own.
fn line_class(item: &Item) -> String {
    const CLASSES: [&str; 3] = ["new", "dashed", "thick"];
    let own = CLASSES.into_iter().filter(|class| item.is_arrow() && item.is(class));
    own.collect::<Vec<_>>().join(" ")
}
