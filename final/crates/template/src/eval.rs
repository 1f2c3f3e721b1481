//! Runs the nodes of a template over data.

use serde_json::Value;

use super::functions::{self, Function, Run};
use super::json::{describe, integer};
use super::parse::{Base, Branch, Command, Node, Operand, Pipeline};
use super::value::Item;
use super::{Fault, MAX_OUTPUT, Span};

pub(super) fn render<'d>(text: &'d str, nodes: &'d [Node], data: &'d Value) -> Result<String, Fault> {
    let root = Item::from(data);
    let mut eval = Eval { text, output: String::new(), variables: vec![("$", root.clone())] };
    eval.nodes(nodes, &root)?;
    Ok(eval.output)
}

struct Eval<'d> {
    text: &'d str,
    output: String,
    /// The variables in scope; of two with one name the last counts.
    variables: Vec<(&'d str, Item<'d>)>,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    Done,
    Break,
    Continue,
}

impl<'d> Eval<'d> {
    /// Runs `nodes`, and forgets the variables that they declared.
    fn nodes(&mut self, nodes: &'d [Node], dot: &Item<'d>) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let mut flow = Flow::Done;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::Done {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &'d Node, dot: &Item<'d>) -> Result<Flow, Fault> {
        // Variables that a block's pipeline declares end with the block; those that an action declares stay.
        let scope = self.variables.len();
        let flow = match node {
            Node::Text(text) => {
                self.output.push_str(text);
                return Ok(Flow::Done);
            }
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                return self.print(pipeline, &value).map(|()| Flow::Done);
            }
            Node::If(branch) => {
                let value = self.pipeline(&branch.pipeline, dot)?;
                self.nodes(if value.truth() { &branch.body } else { &branch.otherwise }, dot)?
            }
            Node::With(branch) => {
                let value = self.pipeline(&branch.pipeline, dot)?;
                if value.truth() {
                    self.nodes(&branch.body, &value)?
                } else {
                    self.nodes(&branch.otherwise, dot)?
                }
            }
            Node::Range(branch) => self.range(branch, dot)?,
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn print(&mut self, pipeline: &'d Pipeline, value: &Item<'d>) -> Result<(), Fault> {
        if pipeline.variables.is_empty() {
            self.output.push_str(&value.print());
        }
        if self.output.len() > MAX_OUTPUT {
            return Err(Fault::new(span(pipeline), format!("the output is larger than {MAX_OUTPUT} bytes")));
        }
        Ok(())
    }

    fn range(&mut self, branch: &'d Branch, dot: &Item<'d>) -> Result<Flow, Fault> {
        let over = self.pipeline(&branch.pipeline, dot)?;
        let fault = |why| Fault::new(span(&branch.pipeline), why);
        let mut empty = true;
        if let Value::Number(number) = over.value()
            && let Some(end) = integer(number)
        {
            if branch.pipeline.variables.len() > 1 {
                return Err(fault("a range over an integer sets one variable, not two".to_owned()));
            }
            for at in 0..i64::try_from(end).unwrap_or(i64::MAX) {
                empty = false;
                let value = Item::from(Value::from(at));
                if self.turn(branch, value.clone(), value)? == Flow::Break {
                    break;
                }
            }
        } else {
            for (key, value) in over.entries().map_err(fault)? {
                empty = false;
                if self.turn(branch, key.into(), value)? == Flow::Break {
                    break;
                }
            }
        }
        if empty { self.nodes(&branch.otherwise, dot) } else { Ok(Flow::Done) }
    }

    /// Runs the body of a range once.
    fn turn(&mut self, branch: &'d Branch, key: Item<'d>, value: Item<'d>) -> Result<Flow, Fault> {
        match branch.pipeline.variables.as_slice() {
            [] => {}
            [one] => self.set(one, value.clone()),
            [first, second, ..] => {
                self.set(first, key);
                self.set(second, value.clone());
            }
        }
        self.nodes(&branch.body, &value)
    }

    fn set(&mut self, name: &'d str, value: Item<'d>) {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => self.variables.push((name, value)),
        }
    }

    /// The value of a pipeline, which its variables are set to as well.
    fn pipeline(&mut self, pipeline: &'d Pipeline, dot: &Item<'d>) -> Result<Item<'d>, Fault> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        let value = piped.unwrap_or(Value::Null.into());
        for name in &pipeline.variables {
            if pipeline.declares {
                self.variables.push((name, value.clone()));
            } else {
                self.set(name, value.clone());
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'d Command,
        piped: Option<Item<'d>>,
        dot: &Item<'d>,
    ) -> Result<Item<'d>, Fault> {
        match command.first.base {
            Base::Function(function) => self.call(function, command.span, &command.arguments, piped, dot),
            _ if command.arguments.is_empty() && piped.is_none() => self.operand(&command.first, dot),
            _ => self.method(command, piped, dot),
        }
    }

    fn operand(&mut self, operand: &'d Operand, dot: &Item<'d>) -> Result<Item<'d>, Fault> {
        self.chain(operand, operand.fields.len(), dot)
    }

    /// The value of an operand with its first `count` fields.
    fn chain(&mut self, operand: &'d Operand, count: usize, dot: &Item<'d>) -> Result<Item<'d>, Fault> {
        let mut value = match &operand.base {
            Base::Dot => dot.clone(),
            // The parser guarantees that there is one.
            Base::Variable(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => return Err(Fault::new(operand.span, "variable is not defined")),
            },
            Base::Literal(value) => value.into(),
            Base::Group(pipeline) => self.pipeline(pipeline, dot)?,
            Base::Function(function) => self.call(function, operand.span, &[], None, dot)?,
        };
        let start = operand.span.start;
        for field in operand.fields.iter().take(count) {
            // `.A` has no base before the field, so it is a field of the dot.
            let parent = match (Span { start, end: field.span.start }).of(self.text) {
                "" => ".",
                parent => parent,
            };
            value = value.field(&field.name, parent).map_err(|message| Fault {
                span: Span { start, end: field.span.end },
                at: Some(field.span.start),
                message,
            })?;
        }
        Ok(value)
    }

    fn call(
        &mut self,
        function: &'static Function,
        at: Span,
        arguments: &'d [Operand],
        piped: Option<Item<'d>>,
        dot: &Item<'d>,
    ) -> Result<Item<'d>, Fault> {
        let fault = |why| Fault::new(at, format!("{}: {why}", function.name));
        function.check_count(arguments.len() + usize::from(piped.is_some())).map_err(fault)?;
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            let value = self.operand(argument, dot)?;
            if matches!(function.run, Run::UpTo(truth) if truth == value.truth()) {
                return Ok(value);
            }
            values.push(value);
        }
        values.extend(piped);
        match function.run {
            // No earlier argument decided, so the last one is the result.
            Run::UpTo(_) => Ok(values.pop().unwrap_or(Value::Null.into())),
            Run::Call(run) => run(values).map_err(fault),
        }
    }

    /// Calls a method: it has the syntax of a field, and arguments.
    fn method(
        &mut self,
        command: &'d Command,
        piped: Option<Item<'d>>,
        dot: &Item<'d>,
    ) -> Result<Item<'d>, Fault> {
        let mut values = Vec::new();
        for argument in &command.arguments {
            values.push(self.operand(argument, dot)?);
        }
        values.extend(piped);
        let fields = &command.first.fields;
        match (fields.last().map(|field| field.name.as_str()), values.as_slice()) {
            (Some("Label"), [key]) => {
                let Value::String(key) = key.value() else {
                    let message = format!("Label: the key is {}, not a string", describe(key.value()));
                    return Err(Fault::new(command.span, message));
                };
                let labelled = self.chain(&command.first, fields.len() - 1, dot)?;
                Ok(functions::label(labelled, key))
            }
            _ => {
                let chain = command.first.span.of(self.text);
                let message = format!("{chain} is not a function; only .Label \"key\" takes an argument");
                Err(Fault::new(command.span, message))
            }
        }
    }
}

/// The span of a pipeline in the template, without its variables.
fn span(pipeline: &Pipeline) -> Span {
    let first = pipeline.commands.first().map_or(Span::default(), |command| command.span);
    pipeline.commands.last().map_or(first, |last| first.to(last.span))
}
