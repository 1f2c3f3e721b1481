//! The routes: method and path, and the handler that answers.

use crate::api::{Api, Handler};
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Parameters};
use crate::version::ApiVersion;
use crate::{build, containers, exec, images, networks, refusals, system, volumes};

/// A path is a list of segments. `{name}` takes one, and `{name...}` takes one or more: names of images contain slashes.
struct Route(&'static str, &'static str, Handler);

#[rustfmt::skip]
const ROUTES: &[Route] = &[
    Route("GET", "/_ping", system::ping),
    Route("HEAD", "/_ping", system::ping),
    Route("GET", "/version", system::version),
    Route("GET", "/info", system::info),
    Route("GET", "/events", system::events),
    Route("GET", "/system/df", system::disk_usage),
    Route("GET", "/networks", networks::list),
    Route("GET", "/networks/", networks::list),
    Route("GET", "/networks/{name...}", networks::inspect),
    Route("POST", "/networks/create", networks::create),
    Route("POST", "/networks/prune", networks::prune),
    Route("POST", "/networks/{name...}/connect", networks::connect),
    Route("POST", "/networks/{name...}/disconnect", networks::disconnect),
    Route("DELETE", "/networks/{name...}", networks::delete),
    Route("GET", "/volumes", volumes::list),
    Route("GET", "/volumes/{name...}", volumes::inspect),
    Route("POST", "/volumes/create", volumes::create),
    Route("POST", "/volumes/prune", volumes::prune),
    Route("DELETE", "/volumes/{name...}", volumes::delete),
    Route("GET", "/containers/json", containers::list),
    Route("POST", "/containers/create", containers::create),
    Route("POST", "/containers/prune", containers::prune),
    Route("GET", "/containers/{name}/json", containers::inspect),
    Route("GET", "/containers/{name}/top", containers::top),
    Route("GET", "/containers/{name}/changes", containers::changes),
    Route("GET", "/containers/{name}/stats", containers::stats),
    Route("GET", "/containers/{name}/export", containers::export),
    Route("HEAD", "/containers/{name}/archive", containers::stat_archive),
    Route("GET", "/containers/{name}/archive", containers::get_archive),
    Route("PUT", "/containers/{name}/archive", containers::put_archive),
    Route("POST", "/containers/{name}/start", containers::start),
    Route("POST", "/containers/{name}/stop", containers::stop),
    Route("POST", "/containers/{name}/restart", containers::restart),
    Route("POST", "/containers/{name}/kill", containers::kill),
    Route("POST", "/containers/{name}/pause", containers::pause),
    Route("POST", "/containers/{name}/unpause", containers::unpause),
    Route("POST", "/containers/{name}/rename", containers::rename),
    Route("POST", "/containers/{name}/update", containers::update),
    Route("POST", "/containers/{name}/wait", containers::wait),
    Route("DELETE", "/containers/{name}", containers::delete),
    Route("POST", "/containers/{name}/attach", containers::attach),
    Route("GET", "/containers/{name}/attach/ws", containers::attach_websocket),
    Route("GET", "/containers/{name}/logs", containers::logs),
    Route("POST", "/containers/{name}/resize", containers::resize),
    Route("POST", "/containers/{name}/exec", exec::create),
    Route("POST", "/exec/{id}/start", exec::start),
    Route("POST", "/exec/{id}/resize", exec::resize),
    Route("GET", "/exec/{id}/json", exec::inspect),
    Route("GET", "/images/json", images::list),
    Route("POST", "/images/create", images::create),
    Route("GET", "/images/search", images::search),
    Route("POST", "/images/prune", images::prune),
    Route("GET", "/images/get", images::get_many),
    Route("POST", "/images/load", images::load),
    Route("GET", "/images/{name...}/json", images::inspect),
    Route("GET", "/images/{name...}/history", images::history),
    Route("GET", "/images/{name...}/get", images::get_one),
    Route("POST", "/images/{name...}/push", images::push),
    Route("POST", "/images/{name...}/tag", images::tag),
    Route("DELETE", "/images/{name...}", images::delete),
    Route("POST", "/commit", images::commit),
    Route("GET", "/distribution/{name...}/json", images::distribution),
    Route("POST", "/auth", images::auth),
    Route("POST", "/build", build::build),
    Route("POST", "/build/prune", build::prune),
    Route("POST", "/build/cancel", build::cancel),
];

/// Finds the route of a request and runs its handler. A path that is only known with another method is not found either, as
/// in dockerd.
pub fn dispatch(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let (version, path) = ApiVersion::split(&exchange.head().path);
    let (version, path) = (version.map(str::to_owned), path.to_owned());
    if let Some(clean) = cleaned(&exchange.head().path) {
        return exchange.redirect(&clean);
    }
    let method = exchange.head().method.as_str();
    if method == "OPTIONS" {
        exchange.set_route(Parameters::default());
        return exchange.empty(200);
    }
    let own = ROUTES.iter().map(|Route(method, pattern, handler)| (*method, *pattern, *handler));
    let mut routes = own.chain(refusals::ROUTES.iter().copied()).filter(|(own, ..)| *own == method);
    let found = routes.find_map(|(_, pattern, handler)| Some((handler, matched(pattern, &path)?)));
    let Some((handler, parameters)) = found else { return Err(Failure::not_found("page not found")) };
    exchange.set_route(parameters);
    if let Some(version) = version {
        exchange.set_version(ApiVersion::parse(&version)?);
    }
    handler(api, exchange)
}

/// The path without `//`, `.` and `..`, if it has any: dockerd redirects the client there.
fn cleaned(path: &str) -> Option<String> {
    let is_clean = |segment: &str| !["", ".", ".."].contains(&segment);
    // A slash at the end stays.
    let body = path.strip_prefix('/')?;
    let body = body.strip_suffix('/').unwrap_or(body);
    if body.is_empty() && path.len() <= 1 || !body.is_empty() && body.split('/').all(is_clean) {
        return None;
    }
    let mut segments = Vec::new();
    for segment in body.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", segments.join("/")))
}

/// The parameters of a path that fits the pattern.
fn matched(pattern: &'static str, path: &str) -> Option<Parameters> {
    let pattern: Vec<&'static str> = pattern.split('/').skip(1).collect();
    let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let mut parameters = Parameters::default();
    let mut at = 0;
    for (index, segment) in pattern.iter().enumerate() {
        let after = pattern.len() - index - 1;
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        let taken = match name {
            Some(name) if name.ends_with("...") => path.len().checked_sub(at + after)?,
            _ => 1,
        };
        let texts = path.get(at..at + taken).filter(|texts| !texts.is_empty())?;
        match name {
            Some(name) => {
                let text = texts.join("/");
                if text.is_empty() {
                    return None;
                }
                parameters.add(name.trim_end_matches("..."), text);
            }
            None if texts[0] == *segment => {}
            None => return None,
        }
        at += taken;
    }
    (at == path.len()).then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_in_docker() {
        for (path, clean) in [
            ("//info", Some("/info")),
            ("/volumes/../x", Some("/x")),
            ("/a/./b//c/", Some("/a/b/c/")),
            ("/../../..", Some("/")),
            ("//", Some("/")),
            ("/", None),
            ("/networks/", None),
            ("/containers/json", None),
        ] {
            assert_eq!(cleaned(path).as_deref(), clean, "{path}");
        }
    }

    #[test]
    fn a_name_may_take_several_segments() {
        let get = |pattern, path| matched(pattern, path).map(|parameters| parameters.get("name").to_owned());
        assert_eq!(get("/images/{name...}/json", "/images/a/b/c/json").as_deref(), Some("a/b/c"));
        assert_eq!(get("/images/{name...}/json", "/images/json"), None);
        assert_eq!(get("/images/{name...}", "/images/a/b").as_deref(), Some("a/b"));
        assert_eq!(get("/containers/{name}/start", "/containers/x/start").as_deref(), Some("x"));
        assert_eq!(get("/containers/{name}/start", "/containers/x/y/start"), None);
        assert_eq!(get("/containers/{name}/start", "/containers//start"), None);
    }
}
