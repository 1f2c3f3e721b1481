//! Filters of `search` (<https://docs.docker.com/reference/cli/docker/search/#filter>).

use super::{FilterError, Filters, Keys};

#[derive(Debug, Default)]
pub struct SearchFilters {
    filters: Filters,
    stars: Vec<u64>,
}

impl SearchFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        let keys = Keys { words: &["stars"], patterns: &[], flags: &["is-official", "is-automated"] };
        let filters = Filters::parse(texts, keys)?;
        let number =
            |text: &str| text.parse().map_err(|_| format!("invalid filter \"stars={text}\": it is a number"));
        let stars = filters.values("stars").map(number).collect::<Result<_, _>>()?;
        Ok(Self { filters, stars })
    }

    /// No repository is automated any more, so the filter for those finds none.
    pub fn fit(&self, is_official: bool, stars: u64) -> bool {
        self.filters.flag("is-official").is_none_or(|wanted| wanted == is_official)
            && self.filters.flag("is-automated") != Some(true)
            && self.stars.iter().all(|least| stars >= *least)
    }
}

#[test]
fn a_repository_fits_every_key() {
    let fits = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        SearchFilters::parse(&texts).map(|filters| filters.fit(true, 5))
    };
    assert_eq!(fits(&["is-official=true", "stars=5"]), Ok(true));
    assert_eq!(fits(&["is-automated=false"]), Ok(true));
    assert_eq!(fits(&["is-automated=true"]), Ok(false));
    assert_eq!(fits(&["stars=6"]), Ok(false));
    assert!(fits(&["stars=x"]).is_err() && fits(&["name=x"]).is_err());
}
