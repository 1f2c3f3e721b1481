/// Sends a GET request, with a token if the registry wants one. A registry may redirect to
/// another server, which stores the blobs. The client follows the redirect.
fn get(&mut self, path: &str) -> Result<BodyReader<'static>> {
    // The version of the protocol has been v2 since 2015.
    let url = format!("{}/v2/{}/{path}", self.host, self.name);
    let mut answer = self.ask(&url)?;
    // A 401 to the first request is normal: the answer's header says where to get a token.
    if answer.status() == 401 && self.token.is_none() {
        let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        self.token = Some(self.fetch_token(challenge.unwrap_or_default())?);
        answer = self.ask(&url)?;
    }
    let status = answer.status();
    report::trace(format!("GET {url}   {status}"));
    if status == 200 {
        return Ok(answer.into_body().into_reader());
    }
    Err(anyhow!("the registry answers {status}"))
        .context(hint(status.as_u16()))
        .context(format!("GET {url}"))
}
