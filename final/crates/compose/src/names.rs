//! The names of a project's containers.

/// `shop-web-1`, or `shop_web_1` in a project with this separator.
pub fn container(project: &str, service: &str, number: u32, separator: char) -> String {
    format!("{project}{separator}{service}{separator}{number}")
}

/// A container's name without its project's: `web-1`. A name of its own stays as it is.
pub fn without_project<'a>(project: &str, service: &str, name: &'a str) -> &'a str {
    let rest = name.strip_prefix(project).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name);
    let number = rest.strip_prefix(service).and_then(|number| number.strip_prefix('-'));
    match number {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => name,
    }
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
    fn only_a_usual_name_loses_its_project() {
        assert_eq!(without_project("shop", "web", "shop-web-12"), "web-12");
        for own in ["shop-web", "shop-web-", "shop-web-x", "other-web-1", "shop-db-1", "gate"] {
            assert_eq!(without_project("shop", "web", own), own);
        }
    }

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
