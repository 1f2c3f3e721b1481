//! The commands of a shell line, split well enough to ask which programs it runs with which arguments. It is no shell:
//! a line that it cannot split has no commands.

#[cfg(test)]
mod tests;

/// A command with its arguments, without assignments before it and without redirections.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// Empty if it is not a constant.
    pub(super) name: String,
    /// Without quotes; a variable or a substitution in them is `${VAR}`.
    pub(super) arguments: Vec<String>,
}

/// A shell line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Script {
    pub(super) text: String,
    /// Also those of subshells, functions, branches and substitutions.
    pub(super) commands: Vec<Command>,
    pub(super) has_pipe: bool,
}

impl Script {
    pub(super) fn parse(text: &str) -> Self {
        Self::parse_at(text, 0)
    }

    fn parse_at(text: &str, depth: usize) -> Self {
        let mut script = Self { text: text.into(), ..Self::default() };
        if depth > DEEPEST {
            return script;
        }
        let mut reader =
            Reader { rest: text.chars().collect(), at: 0, nested: vec![], depth: 0, broken: false };
        let tokens = reader.tokens();
        if reader.broken {
            return script;
        }
        split(&tokens, &mut script);
        for inner in reader.nested {
            let inner = Self::parse_at(&inner, depth + 1);
            script.has_pipe |= inner.has_pipe;
            script.commands.extend(inner.commands);
        }
        script
    }

    pub(super) fn any(&self, test: impl Fn(&Command) -> bool) -> bool {
        self.commands.iter().any(test)
    }

    /// Whether a command of this name is run.
    pub(super) fn runs(&self, name: &str) -> bool {
        self.any(|command| command.name == name)
    }
}

impl Command {
    /// Whether it is this program, with at least one of these arguments.
    pub(super) fn has(&self, name: &str, arguments: &[&str]) -> bool {
        self.name == name && self.has_argument(arguments)
    }

    pub(super) fn has_argument(&self, any: &[&str]) -> bool {
        self.arguments.iter().any(|argument| any.contains(&argument.as_str()))
    }

    /// `--name` or a letter of `-abc`.
    pub(super) fn has_flag(&self, any: &[&str]) -> bool {
        self.arguments.iter().any(|argument| flags(argument).iter().any(|flag| any.contains(&flag.as_str())))
    }

    /// Arguments that are no flags and, for these flags, not the word after them.
    pub(super) fn plain(&self, with_value: &[&str]) -> Vec<&str> {
        let is_value = |index: usize| {
            let before = index.checked_sub(1).map(|index| &self.arguments[index]);
            let before = before.filter(|before| !before.contains('=')).map(|before| flags(before));
            before.is_some_and(|flags| flags.iter().any(|flag| with_value.contains(&flag.as_str())))
        };
        let arguments = self.arguments.iter().enumerate();
        let plain = arguments.filter(|(index, argument)| flags(argument).is_empty() && !is_value(*index));
        plain.map(|(_, argument)| argument.as_str()).collect()
    }

    /// The word after a flag.
    pub(super) fn value_of(&self, flag: &str) -> Option<&str> {
        let index =
            self.arguments.iter().position(|argument| flags(argument).iter().any(|own| own == flag))?;
        self.arguments.get(index + 1).map(String::as_str)
    }
}

fn flags(argument: &str) -> Vec<String> {
    match argument {
        "-" | "--" => vec![],
        long if long.starts_with("--") => {
            vec![long[2..].split('=').next().unwrap_or_default().to_owned()]
        }
        short if short.starts_with('-') => short[1..].chars().map(String::from).collect(),
        _ => vec![],
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Word {
        text: String,
        /// Without variables and substitutions.
        constant: bool,
        /// Without quotes: only such a word can be a keyword or an assignment.
        bare: bool,
    },
    /// `&&`, `|`, `;`, `(` …, and the end of a line as `;`.
    Operator(&'static str),
    /// The next word is its target.
    Redirection,
}

/// How deep substitutions may be nested in each other.
const DEEPEST: usize = 50;

const OPERATORS: [&str; 13] = ["&&", "||", ";;&", ";;", ";&", "|&", "&", "|", ";", "(", ")", "\n", "\r"];

struct Reader {
    rest: Vec<char>,
    at: usize,
    /// Texts of `$(…)` and `` `…` ``.
    nested: Vec<String>,
    /// How many brackets are open.
    depth: usize,
    /// A quote or a bracket is not closed.
    broken: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(index, letter)| self.rest.get(self.at + index) == Some(&letter))
    }

    fn tokens(&mut self) -> Vec<Token> {
        let mut tokens = vec![];
        while let Some(letter) = self.peek() {
            match letter {
                ' ' | '\t' => self.at += 1,
                '\\' if self.follows("\\\n") => self.at += 2,
                '#' => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                }
                _ if self.redirection() => tokens.push(Token::Redirection),
                _ => match OPERATORS.iter().find(|operator| self.follows(operator)) {
                    Some(operator) => {
                        self.at += operator.len();
                        tokens.push(Token::Operator(operator));
                    }
                    None => tokens.push(self.word()),
                },
            }
        }
        tokens
    }

    /// `>`, `2>&1`, `&>`, `<<EOF` without their target. A process substitution is a word.
    fn redirection(&mut self) -> bool {
        let mut end = self.at;
        while self.rest.get(end).is_some_and(char::is_ascii_digit) {
            end += 1;
        }
        if end == self.at && self.follows("&>") {
            end += 1;
        }
        if !matches!(self.rest.get(end), Some('<' | '>')) || self.rest.get(end + 1) == Some(&'(') {
            return false;
        }
        while matches!(self.rest.get(end), Some('<' | '>' | '|' | '&' | '-')) {
            end += 1;
        }
        self.at = end;
        true
    }

    fn word(&mut self) -> Token {
        let mut text = String::new();
        let (mut constant, mut bare) = (true, true);
        while let Some(letter) = self.peek() {
            match letter {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | ')' => break,
                '(' if bare && text.ends_with(['=', '@', '+', '?', '*', '!']) => {
                    // An array or an extended pattern.
                    self.at += 1;
                    self.bracket('(', ')');
                    constant = false;
                }
                '(' => break,
                '<' | '>' if self.rest.get(self.at + 1) == Some(&'(') => {
                    self.at += 2;
                    let inner = self.bracket('(', ')');
                    self.nested.push(inner);
                    constant = false;
                }
                '<' | '>' => break,
                '\\' => {
                    self.at += 1;
                    if let Some(next) = self.peek() {
                        self.at += 1;
                        if next != '\n' {
                            text.push(next);
                        }
                    }
                    bare = false;
                }
                '\'' => {
                    self.at += 1;
                    bare = false;
                    self.single(&mut text);
                }
                '"' => {
                    self.at += 1;
                    bare = false;
                    constant &= self.double(&mut text);
                }
                '$' | '`' => constant &= self.expansion(&mut text),
                _ => {
                    text.push(letter);
                    self.at += 1;
                }
            }
        }
        Token::Word { text, constant, bare }
    }

    fn single(&mut self, text: &mut String) {
        while let Some(letter) = self.peek() {
            self.at += 1;
            if letter == '\'' {
                return;
            }
            text.push(letter);
        }
        self.broken = true;
    }

    /// Returns whether the text is constant.
    fn double(&mut self, text: &mut String) -> bool {
        let mut constant = true;
        while let Some(letter) = self.peek() {
            match letter {
                '"' => {
                    self.at += 1;
                    return constant;
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(next @ ('"' | '\\' | '$' | '`')) => text.push(next),
                        Some('\n') => {}
                        Some(next) => text.extend(['\\', next]),
                        None => break,
                    }
                    self.at += 1;
                }
                '$' | '`' => constant &= self.expansion(text),
                _ => {
                    text.push(letter);
                    self.at += 1;
                }
            }
        }
        self.broken = true;
        constant
    }

    /// Returns whether it was a plain `$`.
    fn expansion(&mut self, text: &mut String) -> bool {
        if self.follows("`") {
            self.at += 1;
            let start = self.at;
            while self.peek().is_some_and(|letter| letter != '`') {
                self.at += if self.follows("\\") { 2 } else { 1 };
            }
            let end = self.at.min(self.rest.len());
            self.broken |= self.peek().is_none();
            self.nested.push(self.rest[start..end].iter().collect());
            self.at += 1;
            text.push_str("${VAR}");
            return false;
        }
        self.at += 1;
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let arithmetic = self.follows("(");
                let inner = self.bracket('(', ')');
                if !arithmetic {
                    self.nested.push(inner);
                }
            }
            Some('{') => {
                self.at += 1;
                self.bracket('{', '}');
            }
            Some('\'') => {
                self.at += 1;
                self.single(text);
                return true;
            }
            Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' => {
                while self.peek().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                    self.at += 1;
                }
            }
            Some('?' | '$' | '!' | '#' | '@' | '*' | '-') => self.at += 1,
            _ => {
                text.push('$');
                return true;
            }
        }
        text.push_str("${VAR}");
        false
    }

    /// The text up to the bracket that closes the one before it.
    fn bracket(&mut self, open: char, close: char) -> String {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.broken = true;
            self.at = self.rest.len();
            return String::new();
        }
        let text = self.up_to_bracket(open, close);
        self.depth -= 1;
        text
    }

    fn up_to_bracket(&mut self, open: char, close: char) -> String {
        let start = self.at;
        let mut depth = 1;
        let mut ignored = String::new();
        while let Some(letter) = self.peek() {
            self.at += 1;
            match letter {
                '\\' => self.at += 1,
                '\'' => self.single(&mut ignored),
                '"' => {
                    let nested = self.nested.len();
                    self.double(&mut ignored);
                    // What is nested is found again when the text in the brackets is split.
                    self.nested.truncate(nested);
                }
                letter if letter == open => depth += 1,
                letter if letter == close => {
                    depth -= 1;
                    if depth == 0 {
                        return self.rest[start..self.at - 1].iter().collect();
                    }
                }
                _ => {}
            }
        }
        self.broken = true;
        self.rest[start..].iter().collect()
    }
}

/// Words that stand before a command, or alone.
const KEYWORDS: [&str; 14] =
    ["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "{", "}", "!", "esac", "time"];

/// Splits tokens into commands.
fn split(tokens: &[Token], script: &mut Script) {
    let mut at = 0;
    // Depths of `case … in`, in which a word before `)` is a pattern.
    let mut patterns = false;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Operator(operator) => {
                script.has_pipe |= matches!(*operator, "|" | "|&");
                patterns |= operator.starts_with(";;") || *operator == ";&";
                at += 1;
            }
            Token::Redirection => at += 2,
            Token::Word { text, bare: true, .. } if text == "esac" => {
                patterns = false;
                at += 1;
            }
            Token::Word { .. } if patterns => {
                at += tokens[at..]
                    .iter()
                    .position(|token| *token == Token::Operator(")"))
                    .map_or(1, |end| end + 1);
                patterns = false;
            }
            Token::Word { text, bare: true, .. } if KEYWORDS.contains(&text.as_str()) => at += 1,
            Token::Word { text, bare: true, .. } if matches!(text.as_str(), "for" | "select") => {
                at = end_of_command(tokens, at);
            }
            Token::Word { text, bare: true, .. } if text == "case" => {
                let is_in =
                    |token: &Token| matches!(token, Token::Word { text, bare: true, .. } if text == "in");
                at += tokens[at..].iter().position(is_in).map_or(1, |end| end + 1);
                while tokens.get(at) == Some(&Token::Operator("\n")) {
                    at += 1;
                }
                patterns = true;
            }
            Token::Word { text, bare: true, .. } if matches!(text.as_str(), "[" | "[[") => {
                at = end_of_test(tokens, at, text == "[[");
            }
            Token::Word { text, bare: true, .. } if text == "function" => at += 2,
            Token::Word { .. } if is_function(&tokens[at + 1..]) => at += 3,
            Token::Word { .. } => {
                let end = end_of_command(tokens, at);
                script.commands.extend(command(&tokens[at..end]));
                at = end;
            }
        }
    }
}

fn is_function(after: &[Token]) -> bool {
    matches!(after, [Token::Operator("("), Token::Operator(")"), ..])
}

fn end_of_command(tokens: &[Token], at: usize) -> usize {
    let rest = tokens[at..].iter().position(|token| matches!(token, Token::Operator(_)));
    rest.map_or(tokens.len(), |end| at + end)
}

/// `&&` and `(` in `[[ … ]]` belong to the test.
fn end_of_test(tokens: &[Token], at: usize, double: bool) -> usize {
    let is_end = |token: &Token| matches!(token, Token::Word { text, .. } if text == "]]");
    match double {
        true => tokens[at..].iter().position(is_end).map_or(tokens.len(), |end| at + end + 1),
        false => end_of_command(tokens, at),
    }
}

fn command(tokens: &[Token]) -> Option<Command> {
    let mut words = vec![];
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word { text, constant, bare } => {
                if words.is_empty() && is_assignment(text, *bare) {
                    continue;
                }
                words.push((text.as_str(), *constant));
            }
            Token::Redirection => {
                tokens.next();
            }
            Token::Operator(_) => {}
        }
    }
    let (&(name, constant), arguments) = words.split_first()?;
    let mut name = if constant { name } else { "" };
    // These run the program that they name.
    if matches!(name, "busybox" | "builtin" | "command" | "run" | "exec") {
        let mut rest = arguments.iter().peekable();
        if name == "exec" {
            while let Some((flag, _)) = rest.next_if(|(word, _)| word.starts_with('-')) {
                if *flag == "-a" {
                    rest.next();
                }
            }
        }
        if let Some((word, constant)) = rest.peek().filter(|(word, _)| !word.starts_with('-')) {
            name = if *constant { word } else { "" };
        }
    }
    let arguments = arguments.iter().map(|(word, _)| (*word).to_owned()).collect();
    (!name.is_empty()).then(|| Command { name: name.into(), arguments })
}

/// `NAME=value` before a command. A quoted value is not bare, but its name is.
fn is_assignment(text: &str, _bare: bool) -> bool {
    let Some((name, _)) = text.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
