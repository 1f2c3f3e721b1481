//! `--ssh default|ID[=SOCKET|KEY[,KEY]]` of `build` (<https://docs.docker.com/reference/cli/docker/buildx/build/#ssh>).

/// The id, and the paths of an agent's socket or of private keys. No path means the caller's agent.
pub fn parse(text: &str) -> Result<(String, Vec<String>), String> {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    if id.is_empty() {
        return Err("expected default or ID[=SOCKET|KEY[,KEY]]".into());
    }
    Ok((id.to_owned(), paths.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect()))
}

#[test]
fn an_id_may_have_paths() {
    let parsed = |text| parse(text).map(|(id, paths)| format!("{id} {}", paths.join(" ")));
    assert_eq!(parsed("default"), Ok("default ".into()));
    assert_eq!(parsed("a=/run/agent"), Ok("a /run/agent".into()));
    assert_eq!(parsed("a=k1,k2"), Ok("a k1 k2".into()));
    assert!(parse("").is_err() && parse("=x").is_err());
}
