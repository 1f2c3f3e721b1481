//! Names for containers that were given none: `adjective_noun`, as docker's.

const ADJECTIVES: &[&str] = &[
    "able", "agile", "amber", "ample", "bold", "brave", "brisk", "calm", "clear", "clever", "cosmic",
    "crisp", "curious", "daring", "deft", "eager", "early", "easy", "fair", "fast", "fine", "fleet", "fond",
    "frank", "free", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "honest", "humble",
    "jolly", "keen", "kind", "light", "lively", "loyal", "lucid", "lucky", "merry", "mild", "modest", "neat",
    "nimble", "noble", "patient", "plain", "polite", "prime", "proud", "quick", "quiet", "rapid", "ready",
    "robust", "serene", "sharp", "silent", "simple", "sleek", "smart", "smooth", "snug", "solid", "sound",
    "spry", "steady", "stoic", "sunny", "sure", "swift", "tidy", "vivid", "warm", "wise", "witty", "zesty",
];

const NOUNS: &[&str] = &[
    "anchor", "barge", "bark", "beacon", "bosun", "bow", "brig", "buoy", "cabin", "canoe", "captain",
    "cargo", "clipper", "coaster", "compass", "cove", "crane", "crew", "cutter", "deck", "dinghy", "dock",
    "dory", "ferry", "fjord", "flag", "frigate", "galley", "gull", "harbor", "helm", "hold", "island",
    "jetty", "junk", "kayak", "keel", "ketch", "knot", "lagoon", "lantern", "lugger", "mast", "mate", "oar",
    "packet", "pier", "pilot", "pinnace", "port", "prow", "quay", "raft", "reef", "rigging", "rudder",
    "sail", "sampan", "schooner", "scow", "sextant", "shoal", "skiff", "sloop", "spar", "stern", "tender",
    "tide", "tiller", "trawler", "tug", "wave", "wharf", "whaler", "winch", "wind", "yacht", "yawl",
];

/// A name from random bytes. After a few names that were taken, `attempt` adds a digit.
pub(crate) fn generate(random: [u8; 4], attempt: u32) -> String {
    let pick =
        |words: &[&'static str], bytes: [u8; 2]| words[usize::from(u16::from_le_bytes(bytes)) % words.len()];
    let name =
        format!("{}_{}", pick(ADJECTIVES, [random[0], random[1]]), pick(NOUNS, [random[2], random[3]]));
    if attempt < 3 { name } else { format!("{name}{attempt}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_valid() {
        for n in 0..=255 {
            assert!(hull_storage::names::is_valid(&generate([n, n, 255 - n, n], u32::from(n) % 5)));
        }
    }
}
