//! `network trace`: a picture of the path of a container's packets, from its interface to the host.

use anyhow::Result;
use hull_engine::Engine;
use hull_engine::trace::{EndpointTrace, LinkTrace, NetworkTrace, RulesTrace};
use hull_network::nftables::ElementStatus;

use crate::cli::network::Trace;
use crate::ui::output;

pub fn run(engine: &Engine, args: &Trace) -> Result<u8> {
    let trace = engine.trace_network(&args.container)?;
    output::object(&trace, args.format.as_deref(), || picture(&trace).drawn())?;
    Ok(0)
}

/// A line, and the branches below it.
#[derive(Debug, Default)]
struct Branch {
    line: String,
    below: Vec<Branch>,
}

fn picture(trace: &NetworkTrace) -> Branch {
    let mut line = format!("{}  process {}  {}", trace.name, trace.pid, trace.namespace.display());
    if let Some(name) = &trace.exposed_as {
        line += &format!("  ip netns exec {name}");
    }
    let mut whole = Branch { line, below: Vec::new() };
    let own = trace.own.as_ref();
    if own.is_none_or(|own| own.networks.is_empty()) {
        whole.below.push(Branch::of(format!("network {}: no links of its own", trace.mode)));
    }
    for route in own.iter().flat_map(|own| &own.routes) {
        let via = route.via.map_or(String::new(), |via| via.to_string());
        let link = route.link.as_deref().unwrap_or_default();
        whole.below.push(Branch::of(format!("default route via {via} over {link}")));
    }
    whole.below.extend(own.iter().flat_map(|own| &own.networks).map(network));
    whole
}

/// From the container's interface outwards, each link below the one that it is attached to.
fn network(trace: &EndpointTrace) -> Branch {
    let kind = match &*trace.driver {
        "bridge" => format!("network {}", trace.network),
        other => format!("{other} network {}", trace.network),
    };
    let parent = trace.parent.as_ref().map(link);
    let mut outermost = match &trace.bridge {
        Some(bridge) => Branch::of(format!("{}  bridge of {kind}", link(bridge))),
        None => Branch::of(format!("{}  parent of {kind}", parent.clone().unwrap_or_default())),
    };
    if let (Some(_), Some(parent)) = (&trace.bridge, parent) {
        outermost.below.push(Branch::of(format!("{parent}  parent")));
    }
    if let Some(tunnel) = &trace.tunnel {
        let peers: Vec<_> = tunnel.peers.iter().flatten().map(ToString::to_string).collect();
        let to = format!("number {}, port {}, to {}", tunnel.number, tunnel.port, peers.join(", "));
        outermost.below.push(Branch::of(format!("{}  tunnel {to}", link(&tunnel.link))));
    }
    for port in &trace.published {
        let (host, container, transport) = (port.host, port.container, port.transport);
        outermost.below.push(Branch::of(format!("{host} ─▶ {container}/{transport}")));
    }
    if let Some(RulesTrace { table, rules }) = trace.rules.as_ref().filter(|rules| !rules.rules.is_empty()) {
        let below = rules.iter().map(rule).collect();
        outermost.below.push(Branch { line: format!("nftables table {table}"), below });
    }
    let inside = Branch::of(link(&trace.inside));
    match &trace.veth {
        Some(veth) => inside.above(Branch::of(format!("{}  on the host", link(veth))).above(outermost)),
        None => inside.above(outermost),
    }
}

fn rule(rule: &ElementStatus) -> Branch {
    let missing = if rule.present { "" } else { "  MISSING: hull network reload" };
    Branch::of(format!("{} {} {{ {} }}{missing}", rule.family, rule.set, rule.element))
}

fn link(trace: &LinkTrace) -> String {
    let Some(link) = &trace.link else { return format!("{}  MISSING", trace.name) };
    let mut parts = vec![trace.name.clone(), format!("index {}", link.index)];
    if !link.up {
        parts.push("DOWN".into());
    }
    parts.push(format!("mtu {}", link.mtu));
    parts.push(link.mac_address.clone().unwrap_or_default());
    parts.extend(link.addresses.iter().cloned());
    parts.join("  ")
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
