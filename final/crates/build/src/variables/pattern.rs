//! Patterns of `${NAME#pattern}`, `%` and `/`: `*` is any characters, `?` is one, `\` escapes. Neither matches a
//! line's end, since BuildKit makes regular expressions of them, in which `.` does not.

/// Steps of comparison that one substitution may need: the pattern's length times the value's.
const MOST_STEPS: usize = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Shortest,
    Longest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

impl Token {
    fn takes(self, char: char) -> bool {
        match self {
            Self::Literal(literal) => literal == char,
            Self::One | Self::Any => char != '\n',
        }
    }
}

#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Parses a pattern that is to be compared with `value`.
    pub(super) fn parse(text: &str, value: &str) -> Result<Self, String> {
        if text.len().saturating_mul(value.len()) > MOST_STEPS {
            return Err("a pattern and the value that it is compared with are too long".into());
        }
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            tokens.push(match char {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                // The brace and the slash are escaped for the substitution, not for the pattern.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Literal(escaped),
                    other => {
                        let other = other.map_or_else(String::new, String::from);
                        return Err(format!(
                            "invalid pattern ({text}) in substitution: invalid escape '\\{other}'"
                        ));
                    }
                },
                _ => Token::Literal(char),
            });
        }
        Ok(Self { tokens })
    }

    pub(super) fn without_prefix(&self, value: &str, reach: Reach) -> String {
        let chars: Vec<char> = value.chars().collect();
        let end = self.matched(&chars, reach).unwrap_or(0);
        chars[end..].iter().collect()
    }

    pub(super) fn without_suffix(&self, value: &str, reach: Reach) -> String {
        let reversed = Self { tokens: self.tokens.iter().rev().copied().collect() };
        let chars: Vec<char> = value.chars().rev().collect();
        let end = reversed.matched(&chars, reach).unwrap_or(0);
        chars[end..].iter().rev().collect()
    }

    /// Where a match that begins at the beginning ends.
    fn matched(&self, chars: &[char], reach: Reach) -> Option<usize> {
        let mut search = Search::new(&self.tokens);
        search.begin(0);
        let mut found = search.accepted().map(|_| 0);
        for (at, char) in chars.iter().enumerate() {
            if found.is_some() && reach == Reach::Shortest || search.is_over() {
                break;
            }
            search.step(*char);
            if search.accepted().is_some() {
                found = Some(at + 1);
            }
        }
        found
    }

    /// Replaces the first match, or all of them that do not overlap. The leftmost match counts, and of these the longest.
    ///
    /// # Errors
    ///
    /// The result would be longer than `most` bytes.
    pub(super) fn replace(
        &self,
        value: &str,
        replacement: &str,
        all: bool,
        most: usize,
    ) -> Result<String, String> {
        let chars: Vec<char> = value.chars().collect();
        let mut result = String::new();
        let mut at = 0;
        // An empty match directly after another match does not count.
        let mut last_end = None;
        while let Some((start, end)) = self.find(&chars, at) {
            result.extend(&chars[at..start]);
            let is_new = end > start || last_end != Some(start);
            if is_new {
                result.push_str(&filled(replacement, &chars[start..end], all));
            }
            if result.len() > most {
                return Err("the result of a substitution is too long".into());
            }
            last_end = Some(end);
            at = end;
            if end == start {
                result.extend(chars.get(end));
                at += 1;
            }
            if !all || at > chars.len() {
                break;
            }
        }
        result.extend(chars.get(at..).unwrap_or_default());
        Ok(result)
    }

    /// The leftmost and then longest match at `from` or behind it.
    fn find(&self, chars: &[char], from: usize) -> Option<(usize, usize)> {
        let mut search = Search::new(&self.tokens);
        let mut found: Option<(usize, usize)> = None;
        for at in from..=chars.len() {
            if found.is_none() {
                search.begin(at);
            }
            if let Some(start) = search.accepted()
                && found.is_none_or(|(first, _)| start <= first)
            {
                found = Some((start, at));
                search.keep_starts_up_to(start);
            }
            if found.is_some() && search.is_over() {
                break;
            }
            if let Some(char) = chars.get(at) {
                search.step(*char);
            }
        }
        found
    }
}

/// BuildKit replaces all matches with a template, in which `$0` is the match and `$name` of another group is nothing.
fn filled(replacement: &str, matched: &[char], is_template: bool) -> String {
    if !is_template || !replacement.contains('$') {
        return replacement.to_owned();
    }
    let mut result = String::new();
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let is_other = |char: char| !char.is_alphanumeric() && char != '_';
        let (name, behind) = match after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            Some((name, behind)) if !name.contains(is_other) && !name.is_empty() => (name, behind),
            _ => after.split_at(after.find(is_other).unwrap_or(after.len())),
        };
        rest = behind;
        if name == "0" {
            result.extend(matched);
        } else if name.is_empty() {
            result.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    result.push_str(rest);
    result
}

/// All ways to match a pattern at once: for each position in the pattern, the leftmost start that leads there.
struct Search<'a> {
    tokens: &'a [Token],
    starts: Vec<Option<usize>>,
}

impl<'a> Search<'a> {
    fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, starts: vec![None; tokens.len() + 1] }
    }

    fn begin(&mut self, at: usize) {
        self.reach(0, at);
    }

    /// Notes that a match that began at `start` is at `position`, and behind it as far as `*` may match nothing.
    fn reach(&mut self, position: usize, start: usize) {
        for position in position..=self.tokens.len() {
            let known = &mut self.starts[position];
            *known = Some(known.map_or(start, |known| known.min(start)));
            if self.tokens.get(position) != Some(&Token::Any) {
                break;
            }
        }
    }

    fn step(&mut self, char: char) {
        let before = std::mem::replace(&mut self.starts, vec![None; self.tokens.len() + 1]);
        for (position, token) in self.tokens.iter().enumerate() {
            if let Some(start) = before[position]
                && token.takes(char)
            {
                self.reach(position + usize::from(*token != Token::Any), start);
            }
        }
    }

    fn accepted(&self) -> Option<usize> {
        self.starts[self.tokens.len()]
    }

    fn is_over(&self) -> bool {
        self.starts[..self.tokens.len()].iter().all(Option::is_none)
    }

    fn keep_starts_up_to(&mut self, last: usize) {
        self.starts.iter_mut().for_each(|start| *start = start.filter(|start| *start <= last));
    }
}
