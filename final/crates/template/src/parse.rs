//! Parses tokens into nodes.

use serde_json::Value;

use super::functions::{self, Function};
use super::lex::{Kind, Token};
use super::{Fault, Span};

/// How deep blocks and parentheses may nest. They are parsed and run by recursion, and the stack is limited.
const MAX_DEPTH: usize = 100;

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
    /// The nodes of `else`; for `else if` and `else with`, a single node, which is that block.
    pub(super) otherwise: Vec<Node>,
}

/// Commands with `|` between them: the value of each is the last argument of the next.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The variables at its start. There are two only in `range $key, $value := …`.
    pub(super) variables: Vec<String>,
    /// Whether they are declared (`:=`) or assigned (`=`).
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// Operands with blanks between them: a function with its arguments, or one value.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) base: Base,
    /// The fields after the base: `B` and `C` of `(index .A 0).B.C`.
    pub(super) fields: Vec<Field>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Group(Box<Pipeline>),
    Function(&'static Function),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) span: Span,
}

pub(super) fn parse(text: &str, tokens: Vec<Token>) -> Result<Vec<Node>, Fault> {
    let mut parser = Parser { text, tokens, at: 0, variables: vec!["$".to_owned()], depth: 0, loops: 0 };
    match parser.block()? {
        (nodes, Stop::Text, _) => Ok(nodes),
        (_, _, span) => Err(Fault::new(span, format!("unexpected {}: no block is open", parser.quote(span)))),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    /// The names that are in scope.
    variables: Vec<String>,
    depth: usize,
    /// How many `range` bodies enclose the position, for `break` and `continue`.
    loops: usize,
}

/// The token that ends a block.
enum Stop {
    End,
    Else,
    /// The end of the template.
    Text,
}

impl Parser<'_> {
    /// The current token. At the end of the template this is the end token, every time.
    fn peek(&self) -> Token {
        let end = Span { start: self.text.len(), end: self.text.len() };
        self.tokens.get(self.at).cloned().unwrap_or(Token { kind: Kind::End, span: end, spaced: false })
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn next_if(&mut self, wanted: impl FnOnce(&Token) -> bool) -> Option<Token> {
        let token = self.peek();
        wanted(&token).then(|| self.next())
    }

    fn expect_close(&mut self, after: &str) -> Result<(), Fault> {
        let token = self.next();
        if token.kind == Kind::Close {
            return Ok(());
        }
        Err(Fault::new(token.span, format!("unexpected {} after {after}", self.quote(token.span))))
    }

    fn quote(&self, span: Span) -> String {
        format!("{:?}", span.of(self.text))
    }

    /// Enters a level of nesting, and fails if there are too many.
    fn nested<T>(
        &mut self,
        span: Span,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::new(span, format!("{} is nested deeper than {MAX_DEPTH}", self.quote(span))));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Reads nodes up to the `end` or `else` that ends the block, or to the end of the template.
    fn block(&mut self) -> Result<(Vec<Node>, Stop, Span), Fault> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::Open => match self.next_if(|token| is_keyword(&token.kind)) {
                    None => nodes.push(Node::Action(self.pipeline(&Kind::Close, token.span, 1)?)),
                    Some(word) => match word.span.of(self.text) {
                        "end" => return Ok((nodes, Stop::End, word.span)),
                        "else" => return Ok((nodes, Stop::Else, word.span)),
                        keyword => nodes.push(self.keyword(keyword, word.span)?),
                    },
                },
                _ => return Ok((nodes, Stop::Text, token.span)),
            }
        }
    }

    fn keyword(&mut self, keyword: &str, span: Span) -> Result<Node, Fault> {
        match keyword {
            "if" | "with" | "range" => self.nested(span, |parser| parser.control(keyword, span)),
            "break" | "continue" if self.loops == 0 => {
                Err(Fault::new(span, format!("{keyword:?} outside of a range")))
            }
            "break" | "continue" => {
                self.expect_close(keyword)?;
                Ok(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            _ => {
                let message = format!(
                    "{keyword:?} is not supported: there is one template, without parts that have names"
                );
                Err(Fault::new(span, message))
            }
        }
    }

    /// Reads the rest of `if`, `with` or `range`, with the `end`.
    fn control(&mut self, keyword: &str, span: Span) -> Result<Node, Fault> {
        let outer = self.variables.len();
        let range = keyword == "range";
        let pipeline = self.pipeline(&Kind::Close, span, if range { 2 } else { 1 })?;
        let inner = self.variables.len();
        self.loops += usize::from(range);
        let (body, stop, _) = self.block()?;
        self.loops -= usize::from(range);
        self.variables.truncate(inner);
        let otherwise = match stop {
            Stop::Text => return Err(self.unclosed(keyword, span)),
            Stop::End => self.expect_close("end").map(|()| Vec::new())?,
            Stop::Else => self.otherwise(keyword, span)?,
        };
        self.variables.truncate(outer);
        let branch = Branch { pipeline, body, otherwise };
        Ok(match keyword {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    /// Reads the part after the `else` of `keyword`, with the `end`.
    fn otherwise(&mut self, keyword: &str, span: Span) -> Result<Vec<Node>, Fault> {
        let again = |token: &Token| matches!(&token.kind, Kind::Word(word) if word == keyword);
        if keyword != "range"
            && let Some(word) = self.next_if(again)
        {
            // The nested block takes the `end` for both.
            return Ok(vec![self.keyword(keyword, word.span)?]);
        }
        self.expect_close("else")?;
        match self.block()? {
            (_, Stop::Text, _) => Err(self.unclosed(keyword, span)),
            (_, Stop::Else, at) => Err(Fault::new(at, format!("a second \"else\" in one {keyword:?}"))),
            (nodes, Stop::End, _) => self.expect_close("end").map(|()| nodes),
        }
    }

    fn unclosed(&self, keyword: &str, span: Span) -> Fault {
        Fault::new(span, format!("{keyword:?} has no {{{{end}}}}"))
    }

    /// Reads up to and with `end`. `opening` is what the errors about a missing end point at.
    fn pipeline(&mut self, end: &Kind, opening: Span, most_variables: usize) -> Result<Pipeline, Fault> {
        let (variables, declares) = self.declaration(most_variables)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(opening)?;
            if !commands.is_empty() && !takes_arguments(&command.first) {
                let message = format!("{} cannot take the value of a pipe", self.quote(command.span));
                return Err(Fault::new(command.span, message));
            }
            commands.push(command);
            let token = self.next();
            match token.kind {
                Kind::Pipe => {}
                kind if kind == *end => break,
                Kind::Close | Kind::End => {
                    return Err(Fault::new(opening, format!("{} is not closed", self.quote(opening))));
                }
                _ => return Err(Fault::new(token.span, format!("unexpected {}", self.quote(token.span)))),
            }
        }
        // The variables are declared after the pipeline, because `{{$x := $x}}` has to find an older `$x`.
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { variables, declares, commands })
    }

    /// Reads `$x :=`, `$x =` or `$i, $x :=`, if it is there.
    fn declaration(&mut self, most: usize) -> Result<(Vec<String>, bool), Fault> {
        let start = self.at;
        let mut names = Vec::new();
        loop {
            let (name, sign) = (self.next(), self.next());
            match (name.kind, &sign.kind) {
                (Kind::Variable(text), Kind::Comma | Kind::Declare | Kind::Assign) => {
                    names.push((text, name.span))
                }
                _ => {
                    // The token after a variable determines whether it is assigned or read.
                    self.at = start;
                    return Ok((Vec::new(), false));
                }
            }
            if names.len() > most || (sign.kind == Kind::Comma && names.len() == most) {
                let message =
                    format!("unexpected {}: too many variables are set here", self.quote(sign.span));
                return Err(Fault::new(sign.span, message));
            }
            if sign.kind == Kind::Assign {
                names.iter().try_for_each(|(name, span)| self.check_variable(name, *span))?;
            }
            if sign.kind != Kind::Comma {
                let names = names.into_iter().map(|(name, _)| name).collect();
                return Ok((names, sign.kind == Kind::Declare));
            }
        }
    }

    fn check_variable(&self, name: &str, span: Span) -> Result<(), Fault> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Fault::new(
            span,
            format!("variable {name:?} is not defined; defined are: {}", self.variables.join(", ")),
        ))
    }

    fn command(&mut self, opening: Span) -> Result<Command, Fault> {
        let first = self.operand(opening)?;
        let mut arguments = Vec::new();
        let mut span = first.span;
        loop {
            let next = self.peek();
            if matches!(next.kind, Kind::Pipe | Kind::Close | Kind::CloseParen | Kind::End) {
                break;
            }
            if !next.spaced {
                let message =
                    format!("unexpected {} directly after {}", self.quote(next.span), self.quote(span));
                return Err(Fault::new(next.span, message));
            }
            let argument = self.operand(opening)?;
            span = span.to(argument.span);
            arguments.push(argument);
        }
        if !arguments.is_empty() && !takes_arguments(&first) {
            let message = format!("{} is not a function and cannot take arguments", self.quote(first.span));
            return Err(Fault::new(first.span, message));
        }
        Ok(Command { first, arguments, span })
    }

    fn operand(&mut self, opening: Span) -> Result<Operand, Fault> {
        let token = self.next();
        let mut span = token.span;
        let mut fields = Vec::new();
        let base = match token.kind {
            Kind::Dot => Base::Dot,
            Kind::Field(name) => {
                fields.push(Field { name, span });
                Base::Dot
            }
            Kind::Variable(name) => {
                self.check_variable(&name, span)?;
                Base::Variable(name)
            }
            Kind::Literal(value) => Base::Literal(value),
            Kind::Word(_) => self.word(span)?,
            Kind::OpenParen => {
                let pipeline = self.nested(span, |parser| parser.pipeline(&Kind::CloseParen, span, 0))?;
                span = span.to(self.tokens[self.at - 1].span);
                Base::Group(Box::new(pipeline))
            }
            Kind::End => return Err(Fault::new(opening, format!("{} is not closed", self.quote(opening)))),
            _ => return Err(Fault::new(span, format!("a value is missing before {}", self.quote(span)))),
        };
        // Only data has fields, and `..` would have to be a field of the dot.
        if matches!(base, Base::Variable(_) | Base::Group(_)) || !fields.is_empty() {
            while let Some(Token { kind: Kind::Field(name), span: at, .. }) =
                self.next_if(|next| matches!(next.kind, Kind::Field(_)) && !next.spaced)
            {
                span = span.to(at);
                fields.push(Field { name, span: at });
            }
        }
        Ok(Operand { base, fields, span })
    }

    fn word(&self, span: Span) -> Result<Base, Fault> {
        match span.of(self.text) {
            "true" => Ok(Base::Literal(Value::Bool(true))),
            "false" => Ok(Base::Literal(Value::Bool(false))),
            "nil" => Ok(Base::Literal(Value::Null)),
            name => match functions::find(name) {
                Some(function) => Ok(Base::Function(function)),
                None if is_keyword(&Kind::Word(name.to_owned())) => Err(Fault::new(
                    span,
                    format!("unexpected {name:?}: it has to be the first word between {{{{ and }}}}"),
                )),
                None => {
                    let message =
                        format!("function {name:?} is not supported; supported are: {}", functions::names());
                    Err(Fault::new(span, message))
                }
            },
        }
    }
}

fn is_keyword(kind: &Kind) -> bool {
    const KEYWORDS: [&str; 10] =
        ["if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"];
    matches!(kind, Kind::Word(word) if KEYWORDS.contains(&word.as_str()))
}

/// Whether it can have arguments: functions can, and methods, which have the syntax of fields.
fn takes_arguments(operand: &Operand) -> bool {
    matches!(operand.base, Base::Function(_)) || !operand.fields.is_empty()
}
