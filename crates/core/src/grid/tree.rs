//! YAML text as a tree that remembers where everything stands.
//!
//! Only broken syntax stops it; doubled keys and wrong types are kept for the reader to
//! report. Anchors and aliases work within a budget that no file without aliases can
//! reach, so an alias bomb costs nothing. Tags have no meaning here and are refused.

use std::{borrow::Cow, collections::HashMap};

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput, Tag, options};

use super::{
    error::{Problems, Source, Span},
    problem::Problem,
};
use crate::limits::{GRID_BYTES_MAX, GRID_DEPTH_MAX, GRID_TREE_BYTES_MAX};

/// One value of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a value is; scalars are typed by whoever reads them.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text; only plain text (without quotes) can be a number, a truth value or nothing.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file, doubled ones included.
    Map(Vec<(Node, Node)>),
}

/// The file as a tree; what keeps it from being one is reported.
pub(crate) fn read_reported(source: &mut Source, problems: &mut Problems) -> Option<Node> {
    match read(&source.text) {
        Ok(root) => Some(root),
        Err((span, problem)) => {
            if matches!(problem, Problem::FileTooLarge { .. }) {
                // Nobody looks at one line of ten megabytes.
                source.text = "".into();
            }
            problems.push(span, problem);
            None
        }
    }
}

/// The file as a tree, or the one thing that keeps it from being one.
pub(crate) fn read(text: &str) -> Result<Node, (Span, Problem)> {
    if text.len() > GRID_BYTES_MAX {
        return Err((Span::at(0), Problem::FileTooLarge { bytes: text.len() }));
    }
    let mut options: Options =
        options! { block_nesting_limit: GRID_DEPTH_MAX, flow_nesting_limit: GRID_DEPTH_MAX };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { parser, anchors: HashMap::new(), bytes: 0, length: text.len() };
    builder.document()
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    /// Budget used so far; see [`cost`].
    bytes: usize,
    /// Of the whole text.
    length: usize,
}

type Fault = (Span, Problem);

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentStart(..) if root.is_some() => return Err((span, Problem::ManyDocuments)),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        root.ok_or((Span::at(0), Problem::EmptyFile))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next() {
            Some(Ok((event, span))) => {
                let start = span.start.byte_offset().unwrap_or(0);
                let end = span.end.byte_offset().unwrap_or(start);
                Ok((event, Span { start, end: end.max(start) }))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::at(self.length))),
        }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let at = error.marker().byte_offset().unwrap_or(self.length);
        if error.info().contains("recursion limit") {
            return (Span::at(at), Problem::TooDeep);
        }
        (Span::at(at), Problem::Syntax { message: error.info() })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        if depth > GRID_DEPTH_MAX {
            return Err((span, Problem::TooDeep));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_ref(), span)?;
                let plain = style == ScalarStyle::Plain;
                (Node { span, value: Value::Scalar { text: text.into_owned(), plain } }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.as_ref(), span)?;
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.as_ref(), span)?;
                (self.map(span, depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err((span, Problem::Syntax { message: "a value is expected here".to_owned() })),
        };
        self.spend(cost(&node), span)?;
        if anchor != 0 {
            // The kept copy is spent too: nested anchors would multiply a large list.
            self.spend(measure(&node).0, span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = Span { start: start.start, end: end.end.max(start.end) };
                    return Ok(Node { span, value: Value::List(items) });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Fault> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, end) => {
                    let span = Span { start: start.start, end: end.end.max(start.end) };
                    return Ok(Node { span, value: Value::Map(entries) });
                }
                (event, span) => self.node(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            if value.span.start == value.span.end {
                // Nothing was written; what lacks a value is the key.
                value.span = key.span;
            }
            entries.push((key, value));
        }
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err((span, Problem::AliasOfItself));
        };
        let (bytes, height) = measure(node);
        if depth + height > GRID_DEPTH_MAX {
            return Err((span, Problem::TooDeep));
        }
        let copy = node.clone();
        self.spend(bytes, span)?;
        Ok(copy)
    }

    fn spend(&mut self, bytes: usize, span: Span) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > GRID_TREE_BYTES_MAX { Err((span, Problem::AliasBomb)) } else { Ok(()) }
    }
}

fn refuse_tag(tag: Option<&Cow<'_, Tag>>, span: Span) -> Result<(), Fault> {
    match tag {
        Some(_) => Err((span, Problem::Unsupported { what: "a YAML tag".to_owned() })),
        None => Ok(()),
    }
}

/// What one node takes from the budget, without its children.
fn cost(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { text, .. } => 8 + text.len(),
        Value::List(_) | Value::Map(_) => 8,
    }
}

/// Cost of the whole node, and how many levels lie below it.
fn measure(node: &Node) -> (usize, usize) {
    let children: Box<dyn Iterator<Item = &Node>> = match &node.value {
        Value::Scalar { .. } => return (cost(node), 0),
        Value::List(items) => Box::new(items.iter()),
        Value::Map(entries) => Box::new(entries.iter().flat_map(|(key, value)| [key, value])),
    };
    children.map(measure).fold((cost(node), 0), |(bytes, height), (child, below)| {
        (bytes.saturating_add(child), height.max(below + 1))
    })
}
