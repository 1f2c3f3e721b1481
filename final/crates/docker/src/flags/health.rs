//! The flags of health checks
//! (<https://docs.docker.com/reference/cli/docker/container/run/#health-cmd>).

use crate::time;
use crate::wire::config::Healthcheck;

/// The texts of the flags.
#[derive(Debug, Clone, Copy, Default)]
pub struct HealthFlags<'a> {
    pub command: Option<&'a str>,
    pub interval: Option<&'a str>,
    pub timeout: Option<&'a str>,
    pub start_period: Option<&'a str>,
    pub start_interval: Option<&'a str>,
    pub retries: Option<i64>,
    pub no_check: bool,
}

impl HealthFlags<'_> {
    /// The request's `Healthcheck`. docker leaves out what is 0, and then the image's value holds.
    pub fn request(self) -> Result<Option<Healthcheck>, String> {
        let given = Healthcheck {
            test: self.command.filter(|command| !command.is_empty()).map_or_else(Vec::new, shell),
            interval: nanoseconds("--health-interval", self.interval)?,
            timeout: nanoseconds("--health-timeout", self.timeout)?,
            start_period: nanoseconds("--health-start-period", self.start_period)?,
            start_interval: nanoseconds("--health-start-interval", self.start_interval)?,
            retries: self.retries.filter(|retries| *retries != 0),
        };
        let is_given = given != Healthcheck::default();
        match self.no_check {
            true if is_given => Err("--no-healthcheck conflicts with --health-* options".into()),
            true => Ok(Some(Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() })),
            false if given.retries.is_some_and(|retries| retries < 0) => {
                Err("--health-retries cannot be negative".into())
            }
            false => Ok(is_given.then_some(given)),
        }
    }
}

fn shell(command: &str) -> Vec<String> {
    vec!["CMD-SHELL".into(), command.into()]
}

/// `None` for 0 too.
fn nanoseconds(flag: &str, text: Option<&str>) -> Result<Option<i64>, String> {
    let Some(text) = text else { return Ok(None) };
    if text.starts_with('-') && time::parse_duration(&text[1..]).is_ok() {
        return Err(format!("{flag} cannot be negative"));
    }
    let duration = time::parse_duration(text).map_err(|why| format!("invalid argument for {flag}: {why}"))?;
    let number = i64::try_from(duration.as_nanos()).map_err(|_| format!("{flag} {text} is too long"))?;
    Ok(Some(number).filter(|number| *number != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: HealthFlags<'_> = HealthFlags {
        command: None,
        interval: None,
        timeout: None,
        start_period: None,
        start_interval: None,
        retries: None,
        no_check: false,
    };

    #[test]
    fn what_is_not_given_is_left_to_the_image() {
        assert_eq!(NONE.request(), Ok(None));
        assert_eq!(HealthFlags { interval: Some("0s"), retries: Some(0), ..NONE }.request(), Ok(None));
        let given = HealthFlags { command: Some("true"), interval: Some("1m30s"), ..NONE }.request();
        let given = given.unwrap().unwrap();
        assert_eq!(given.test, ["CMD-SHELL", "true"]);
        assert_eq!((given.interval, given.timeout), (Some(90_000_000_000), None));
    }

    #[test]
    fn conflicts_and_negative_values_are_refused() {
        let no_check = HealthFlags { no_check: true, ..NONE };
        assert_eq!(no_check.request().unwrap().unwrap().test, ["NONE"]);
        for (flags, why) in [
            (HealthFlags { retries: Some(2), ..no_check }, "conflicts"),
            (HealthFlags { retries: Some(-1), ..NONE }, "--health-retries cannot be negative"),
            (HealthFlags { timeout: Some("-3s"), ..NONE }, "--health-timeout cannot be negative"),
            (HealthFlags { timeout: Some("soon"), ..NONE }, "--health-timeout"),
        ] {
            let error = flags.request().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
