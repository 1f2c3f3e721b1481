use hull_yaml::tree::Place;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Takes what a user should know, in Compose's words, and where it stands.
pub type Warn<'a> = dyn FnMut(String, Place) + 'a;

/// What is wrong with a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Error {
    /// The whole sentence, with the key: `services.web.ports[0]: …`.
    pub why: String,
    /// Where it stands, unless it is about no file's text.
    pub place: Option<Place>,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Error {
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), place: None, hint: None }
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Adds a hint if one of the known words is like the wrong one.
    #[must_use]
    pub fn did_you_mean<'a>(self, wrong: &str, known: impl Iterator<Item = &'a str>) -> Self {
        // The distance costs time and memory by the product of the lengths, and a long word is no slip.
        let is_short = |word: &str| word.len() <= 64;
        let known = known.filter(|word| is_short(wrong) && is_short(word));
        let best = known.map(|word| (strsim::damerau_levenshtein(wrong, word), word)).min();
        match best {
            Some((distance, word))
                if distance <= 1 + word.len() / 4 && distance < word.len().min(wrong.len()) =>
            {
                self.hint(format!("did you mean {word}?"))
            }
            _ => self,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
}
