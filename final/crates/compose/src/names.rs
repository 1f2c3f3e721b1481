//! The names of a project's containers.

/// `shop-web-1`.
pub fn container(project: &str, service: &str, number: u32) -> String {
    format!("{project}-{service}-{number}")
}

/// The name of a container while the one that it replaces still has its own: Compose's, so that each finishes what the
/// other has begun.
pub fn replacement(replaced_id: &str, name: &str) -> String {
    format!("{}_{name}", replaced_id.get(..12).unwrap_or(replaced_id))
}

/// The name that a replacement is to get, if this is the name of one.
pub fn of_replacement(name: &str) -> Option<&str> {
    let (id, rest) = name.split_at_checked(12)?;
    let is_id = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    rest.strip_prefix('_').filter(|rest| is_id && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_known_by_its_name() {
        let name = replacement(&"0123456789abcdef".repeat(4), "shop-web-1");
        assert_eq!(name, "0123456789ab_shop-web-1");
        assert_eq!(of_replacement(&name), Some("shop-web-1"));
        for other in ["shop-web-1", "0123456789ab", "0123456789ab_", "0123456789AB_x", "ä23456789ab_x"] {
            assert_eq!(of_replacement(other), None, "{other}");
        }
    }
}
