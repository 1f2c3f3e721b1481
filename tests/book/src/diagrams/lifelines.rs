//! Messages between two processes, from the top to the bottom as time passes.

use super::layout::{Anchor, Area, Layout, block, class, size_of_box};
use super::source::{Item, Kind, Shape};

/// Between the last message and the ends of the lines.
const END: f64 = 14.0;

/// How far a gate reaches to each side of its line.
const GATE: f64 = 16.0;

pub fn size(item: &Item, shape: Shape) -> (f64, f64) {
    let heads: f64 = lives(item).map(|life| size_of_box(life).0 / 2.0).sum();
    let between = item.parts.iter().filter(|part| part.kind != Kind::Life).map(|part| {
        let (width, _) = block(&part.lines);
        width + if part.kind == Kind::Gate { 24.0 + GATE } else { 40.0 }
    });
    let least = if shape == Shape::Wide { 380.0 } else { 200.0 };
    let heights: f64 = item.parts.iter().map(height).sum();
    (heads + between.fold(least, f64::max), head_height(item) + heights + END)
}

fn lives(item: &Item) -> impl Iterator<Item = &Item> {
    item.parts.iter().filter(|part| part.kind == Kind::Life)
}

fn head_height(item: &Item) -> f64 {
    lives(item).map(|life| size_of_box(life).1).fold(0.0, f64::max)
}

/// What one event takes of the time.
fn height(part: &Item) -> f64 {
    let (_, lines) = block(&part.lines);
    match part.kind {
        Kind::Life => 0.0,
        Kind::Send | Kind::Reply => lines + 18.0,
        _ => lines + 10.0,
    }
}

pub fn place(layout: &mut Layout, item: &Item, area: Area) {
    let head = head_height(item);
    let mut lines = Vec::new();
    for (index, life) in lives(item).enumerate() {
        let (width, _) = size_of_box(life);
        let x = if index == 0 { area.x } else { area.x + area.width - width };
        let own = Area { x, width, height: head, ..area };
        layout.rect(own, class(life));
        let (_, text) = block(&life.lines);
        let middle = x + width / 2.0;
        layout.text(&life.lines, middle, area.y + (head - text) / 2.0, Anchor::Middle);
        layout.line((middle, area.y + head), (middle, area.y + area.height), String::new());
        lines.push(middle);
    }
    let [left, right] = lines[..] else { return };
    let mut y = area.y + head;
    for part in &item.parts {
        event(layout, part, (left, right), y);
        y += height(part);
    }
}

fn event(layout: &mut Layout, part: &Item, (left, right): (f64, f64), y: f64) {
    let (_, lines) = block(&part.lines);
    match part.kind {
        Kind::Left => layout.text(&part.lines, left + 14.0, y + 6.0, Anchor::Start),
        Kind::Right => layout.text(&part.lines, right - 14.0, y + 6.0, Anchor::End),
        Kind::Send | Kind::Reply => {
            layout.text(&part.lines, (left + right) / 2.0, y + 6.0, Anchor::Middle);
            let y = y + lines + 12.0;
            let style = if part.is("dashed") { "dashed" } else { "" };
            layout.line((left, y), (right, y), style.to_owned());
            match part.kind {
                Kind::Send => layout.head((right, y), (1.0, 0.0)),
                _ => layout.head((left, y), (-1.0, 0.0)),
            }
        }
        Kind::Gate => {
            layout.text(&part.lines, right - GATE - 10.0, y + 6.0, Anchor::End);
            let gate = Area { x: right - GATE, y: y + lines / 2.0 + 2.0, width: 2.0 * GATE, height: 8.0 };
            layout.rect(gate, "flag".to_owned());
        }
        _ => {}
    }
}
