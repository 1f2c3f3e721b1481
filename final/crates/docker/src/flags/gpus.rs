//! `--gpus` (<https://docs.docker.com/reference/cli/docker/container/run/#gpus>).

use std::collections::BTreeMap;

use crate::csv;
use crate::wire::host_config::DeviceRequest;

/// `all`, a number, or KEY=VALUE fields: driver, count, device, capabilities, options.
pub fn parse(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest { options: Some(BTreeMap::new()), ..DeviceRequest::default() };
    let mut seen: Vec<String> = Vec::new();
    for field in csv::fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        if seen.iter().any(|other| other == key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key.to_owned());
        match (key, value) {
            (count, None) => {
                seen.push("count".to_owned());
                request.count = parse_count(count)?;
            }
            ("driver", Some(driver)) => request.driver = driver.to_owned(),
            ("count", Some(count)) => request.count = parse_count(count)?,
            ("device", Some(ids)) => request.device_ids = ids.split(',').map(str::to_owned).collect(),
            ("capabilities", Some(names)) => {
                request.capabilities = vec![names.split(',').chain(["gpu"]).map(str::to_owned).collect()];
            }
            ("options", Some(options)) => request.options = Some(parse_options(options)?),
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if !seen.iter().any(|key| key == "count") && request.device_ids.is_empty() {
        request.count = 1;
    }
    if request.capabilities.is_empty() {
        request.capabilities = vec![vec!["gpu".to_owned()]];
    }
    Ok(request)
}

fn parse_options(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (field, String::new()),
    };
    Ok(csv::fields(text)?.into_iter().map(pair).collect())
}

fn parse_count(text: &str) -> Result<i64, String> {
    match text {
        "all" => Ok(-1),
        _ => text
            .parse()
            .map_err(|_| format!("invalid count ({text}): value must be either \"all\" or an integer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_or_names_gpus() {
        assert_eq!(parse("all").unwrap().count, -1);
        assert_eq!(parse("2").unwrap().count, 2);
        assert_eq!(parse("capabilities=utility").unwrap().count, 1);
        let named = parse("\"device=0,GPU-3a\",\"capabilities=compute,utility\"").unwrap();
        assert_eq!((named.count, named.device_ids), (0, vec!["0".to_owned(), "GPU-3a".into()]));
        assert_eq!(named.capabilities, [["compute", "utility", "gpu"]]);
        for wrong in ["", "x", "count=1,count=2", "2,count=1", "color=red"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
