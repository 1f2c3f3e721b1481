//! `network trace`: one picture of a container's way to the world.

use anyhow::Result;
use hull_engine::Engine;
use serde_json::Value;

use crate::cli::networks::Trace;
use crate::ui::output;

pub fn run(engine: &Engine, args: &Trace) -> Result<u8> {
    let trace = engine.trace_network(&args.container)?;
    output::object(&trace, args.format.as_deref(), || picture(&trace).drawn())?;
    Ok(0)
}

/// A line, and what hangs below it.
#[derive(Debug, Default)]
struct Branch {
    line: String,
    below: Vec<Branch>,
}

fn picture(trace: &Value) -> Branch {
    let mut line =
        format!("{}  process {}  {}", text(&trace["Name"]), trace["Pid"], text(&trace["Namespace"]));
    if let Some(name) = trace["ExposedAs"].as_str() {
        line += &format!("  ip netns exec {name}");
    }
    let mut whole = Branch { line, below: Vec::new() };
    let networks = items(&trace["Networks"]);
    if networks.is_empty() {
        whole.below.push(Branch::of(format!("network {}: no links of its own", text(&trace["Mode"]))));
    }
    for route in items(&trace["Routes"]) {
        let (via, link) = (text(&route["Via"]), text(&route["Link"]));
        whole.below.push(Branch::of(format!("default route via {via} over {link}")));
    }
    whole.below.extend(networks.iter().map(network));
    whole
}

/// From the container's interface outwards, each link below the one it is plugged into.
fn network(trace: &Value) -> Branch {
    let kind = match text(&trace["Driver"]).as_str() {
        "bridge" => format!("network {}", text(&trace["Network"])),
        other => format!("{other} network {}", text(&trace["Network"])),
    };
    let mut outermost = match trace.get("Bridge") {
        Some(bridge) => Branch::of(format!("{}  bridge of {kind}", link(bridge))),
        None => Branch::of(format!("{}  parent of {kind}", link(&trace["Parent"]))),
    };
    if trace.get("Bridge").is_some() {
        outermost
            .below
            .extend(trace.get("Parent").map(|parent| Branch::of(format!("{}  parent", link(parent)))));
    }
    if let Some(tunnel) = trace.get("Tunnel") {
        let peers: Vec<_> = items(&tunnel["Peers"]).iter().map(text).collect();
        let to = format!("number {}, port {}, to {}", tunnel["Number"], tunnel["Port"], peers.join(", "));
        outermost.below.push(Branch::of(format!("{}  tunnel {to}", link(tunnel))));
    }
    for port in items(&trace["Published"]) {
        let (host, container) = (text(&port["host"]), text(&port["container"]));
        outermost.below.push(Branch::of(format!("{host} ─▶ {container}/{}", text(&port["transport"]))));
    }
    let rules = items(&trace["Rules"]);
    if !rules.is_empty() {
        let mut table = Branch::of(format!("nftables table {}", text(&trace["Table"])));
        table.below.extend(rules.iter().map(rule));
        outermost.below.push(table);
    }
    let inside = Branch::of(link(&trace["Inside"]));
    match trace.get("Cable") {
        Some(cable) => inside.above(Branch::of(format!("{}  on the host", link(cable))).above(outermost)),
        None => inside.above(outermost),
    }
}

fn rule(rule: &Value) -> Branch {
    let missing = if rule["Present"] == true { "" } else { "  MISSING: hull network reload" };
    let (family, set) = (text(&rule["Family"]), text(&rule["Set"]));
    Branch::of(format!("{family} {set} {{ {} }}{missing}", text(&rule["Element"])))
}

fn link(link: &Value) -> String {
    let name = text(&link["Name"]);
    if link["Missing"] == true {
        return format!("{name}  MISSING");
    }
    let mut parts = vec![name, format!("index {}", link["Index"])];
    if link["Up"] != true {
        parts.push("DOWN".into());
    }
    parts.push(format!("mtu {}", link["Mtu"]));
    parts.push(text(&link["MacAddress"]));
    parts.extend(items(&link["Addresses"]).iter().map(text));
    parts.join("  ")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Branch {
    fn of(line: String) -> Self {
        Self { line, below: Vec::new() }
    }

    fn above(mut self, below: Self) -> Self {
        self.below.push(below);
        self
    }

    fn drawn(&self) -> String {
        let mut drawn = format!("{}\n", self.line);
        self.draw("", &mut drawn);
        drawn
    }

    fn draw(&self, indent: &str, drawn: &mut String) {
        for (number, branch) in self.below.iter().enumerate() {
            let (here, further) =
                if number + 1 == self.below.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            *drawn += &format!("{indent}{here}{}\n", branch.line);
            branch.draw(&format!("{indent}{further}"), drawn);
        }
    }
}
