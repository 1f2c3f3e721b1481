/// Registries mostly redirect (307) to a separate store of blobs; the client follows.
fn get(&mut self, path: &str) -> Result<impl Read + use<>> {
    // The version of the protocol; there has been no other since 2015.
    let url = format!("{}/v2/{}/{path}", self.host, self.name);
    // The first request is mostly refused with 401. That is no error: the answer says where to
    // get a token.
    let mut answer = self.ask(&url)?;
    if answer.status() == 401 && self.token.is_none() {
        let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        self.token = Some(self.fetch_token(challenge.unwrap_or_default())?);
        answer = self.ask(&url)?;
    }
    let status = answer.status();
    report::trace(format!("GET {url}   {status}"));
    // Only the status is standardised; bodies of error messages differ.
    let hint = match status.as_u16() {
        200 => return Ok(answer.into_body().into_reader()),
        401 | 403 => {
            "hint: it is private, or does not exist: registries answer the same to both, and this lesson has no login"
        }
        404 => "hint: no such image, or no such tag of it",
        429 => "hint: too many requests from this address: wait, or take another registry's copy",
        _ => "hint: the registry itself is in trouble",
    };
    Err(anyhow::anyhow!("the registry says {status}")).context(hint).context(format!("GET {url}"))
}
