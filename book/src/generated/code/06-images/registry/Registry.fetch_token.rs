/// Fetches a token from the authorization server that the challenge names. Registries want a
/// token even for public images: the token says "may pull this repository for five minutes".
pub fn fetch_token(&self, challenge: &str) -> Result<String> {
    let Some(fields) = challenge.strip_prefix("Bearer ") else {
        bail!("the registry asks for {challenge:?}, and this step knows only Bearer");
    };
    let realm = field(fields, "realm").context("the registry does not say where to get a token")?;
    let mut request = self.agent.get(realm);
    // The service and the scope ("repository:NAME:pull") are sent back unchanged.
    for name in ["service", "scope"] {
        request = request.query_pairs(field(fields, name).map(|value| (name, value)));
    }
    let mut answer = request.call().with_context(|| format!("GET {realm}"))?;
    report::trace(format!("GET {realm}   {}, for a token", answer.status()));
    let text = answer.body_mut().with_config().limit(LARGEST).read_to_string()?;
    let answer: Value = serde_json::from_str(&text).with_context(|| format!("the answer of {realm}"))?;
    // Some servers send only `access_token`, which is the name in OAuth.
    let token = answer["token"].as_str().or(answer["access_token"].as_str());
    Ok(token.with_context(|| format!("{realm} gives no token"))?.to_owned())
}
