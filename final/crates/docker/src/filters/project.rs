//! Filters of `compose ls` (<https://docs.docker.com/reference/cli/docker/compose/ls/>).

use super::{FilterError, Filters, Keys};

#[derive(Debug, Default)]
pub struct ProjectFilters(Filters);

impl ProjectFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        Filters::parse(texts, Keys { words: &[], patterns: &["name"], flags: &[] }).map(Self)
    }

    pub fn fit(&self, name: &str) -> bool {
        self.0.matches("name", &[name])
    }
}

#[test]
fn a_project_fits_by_its_name() {
    let fits = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        ProjectFilters::parse(&texts).map(|filters| filters.fit("shop"))
    };
    assert_eq!((fits(&[]), fits(&["name=ho"]), fits(&["name=^s", "name=x"])), (Ok(true), Ok(true), Ok(true)));
    assert_eq!(fits(&["name=x"]), Ok(false));
    assert!(fits(&["status=x"]).is_err() && fits(&["name=("]).is_err());
}
