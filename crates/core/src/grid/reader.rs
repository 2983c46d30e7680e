//! Typed reading of nodes: mappings with known keys, lists, numbers, words.
//!
//! Every function reports what is wrong and goes on; what it returns is what was right.
//! `path` names the key in messages, e.g. `recipe.drops[1].at`.

use std::{collections::HashMap, fmt::Display};

pub(crate) use super::bounds::{Bounds, RealBounds, Whole, whole};
use super::{
    error::{Located, Problems, Span},
    problem::Problem,
    tree::{Node, Value},
};
use crate::ids::Name;

/// The keys of one mapping, each once.
pub(crate) struct Fields<'n> {
    within: String,
    span: Span,
    values: HashMap<&'static str, (Span, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The mapping's own path; empty for that of the file.
    pub(crate) fn path(&self) -> &str {
        &self.within
    }

    /// The path of a key of it.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.within.is_empty() { key.to_owned() } else { format!("{}.{key}", self.within) }
    }

    /// Where the mapping begins.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// The value of an optional key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.values.get(key).map(|(_, node)| *node)
    }

    /// The value of a key that must be there; its absence is reported at the mapping.
    pub(crate) fn require(
        &self,
        key: &'static str,
        example: &'static str,
        problems: &mut Problems,
    ) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            self.report_missing(key, example, problems);
        }
        node
    }

    /// Reports that a key must be there.
    pub(crate) fn report_missing(&self, key: &'static str, example: &'static str, problems: &mut Problems) {
        let within = self.within.clone();
        problems.push(self.span, Problem::MissingKey { within, key, example });
    }
}

/// Reads a mapping whose keys are all in `known`; `top_level` lists those that stand only
/// there.
pub(crate) fn mapping<'n>(
    node: &'n Node,
    within: &str,
    known: &'static [&'static str],
    top_level: &[&str],
    problems: &mut Problems,
) -> Option<Fields<'n>> {
    let path = if within.is_empty() { "file" } else { within };
    let Value::Map(entries) = &node.value else {
        wrong_type(node, path, "a mapping of keys to values", problems);
        return None;
    };
    let mut fields = Fields { within: within.to_owned(), span: first_of(node), values: HashMap::new() };
    for (key_node, value) in entries {
        let Value::Scalar { text: key, .. } = &key_node.value else {
            wrong_type(key_node, path, "a key", problems);
            continue;
        };
        let Some(key) = known.iter().find(|known| *known == key) else {
            problems.push(key_node.span, unknown_key(within, key, known, top_level));
            continue;
        };
        if let Some((first, _)) = fields.values.get(key) {
            let (within, key, first) = (within.to_owned(), (*key).to_owned(), *first);
            problems.push(key_node.span, Problem::DoubledKey { within, key, first });
            continue;
        }
        fields.values.insert(key, (key_node.span, value));
    }
    Some(fields)
}

fn unknown_key(within: &str, key: &str, known: &'static [&'static str], top_level: &[&str]) -> Problem {
    if top_level.contains(&key) {
        return Problem::MisplacedKey { within: within.to_owned(), key: key.to_owned() };
    }
    Problem::UnknownKey { within: within.to_owned(), key: shown(key), known }
}

/// Where a mapping begins: its first key, so that a whole block is not underlined.
fn first_of(node: &Node) -> Span {
    match &node.value {
        Value::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    }
}

/// Reads a list, or a single value as a list of one.
pub(crate) fn list<'n, T>(
    node: &'n Node,
    path: &str,
    problems: &mut Problems,
    mut item: impl FnMut(&'n Node, &mut Problems) -> Option<T>,
) -> Vec<Located<T>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        problems.push(node.span, Problem::EmptyList { path: path.to_owned() });
    }
    let located = |node: &'n Node| Some(Located { value: item(node, problems)?, span: node.span });
    items.iter().filter_map(located).collect()
}

/// Reads text, quoted or not.
pub(crate) fn text<'n>(
    node: &'n Node,
    path: &str,
    expected: &'static str,
    problems: &mut Problems,
) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { plain: true, text } if is_null(text) => {
            problems.push(node.span, Problem::Nothing { path: path.to_owned(), expected });
            None
        }
        Value::Scalar { text, .. } => Some(text),
        _ => {
            wrong_type(node, path, expected, problems);
            None
        }
    }
}

/// Reads a name of at most 64 lower-case letters, digits and dashes.
pub(crate) fn short_name(
    node: &Node,
    path: &str,
    expected: &'static str,
    problems: &mut Problems,
) -> Option<Name> {
    let given = text(node, path, expected, problems)?;
    let name = Name::of_study(given);
    if name.is_none() {
        let (path, given) = (path.to_owned(), shown(given));
        problems.push(node.span, Problem::BadName { path, given, expected });
    }
    name
}

/// Reads text without quotes, of which numbers and truth values consist.
pub(crate) fn plain<'n>(
    node: &'n Node,
    path: &str,
    expected: &'static str,
    problems: &mut Problems,
) -> Option<&'n str> {
    let text = text(node, path, expected, problems)?;
    if let Value::Scalar { plain: false, .. } = &node.value {
        wrong_type(node, path, expected, problems);
        return None;
    }
    Some(text)
}

/// Reads one whole number.
pub(crate) fn number(node: &Node, path: &str, bounds: &Bounds, problems: &mut Problems) -> Option<u64> {
    let text = plain(node, path, bounds.expected, problems)?;
    let checked = match whole(text) {
        Whole::Number(number) => bounds.check(number, text, path),
        Whole::Outside => Err(bounds.out_of_range(text, path)),
        Whole::Not => {
            wrong_type(node, path, bounds.expected, problems);
            return None;
        }
    };
    checked.map_err(|problem| problems.push(node.span, problem)).ok()
}

/// Reads one number with a fraction; `range` is how `allowed` is written in messages.
pub(crate) fn real(
    node: &Node,
    path: &str,
    range: &str,
    allowed: impl Fn(f64) -> bool,
    problems: &mut Problems,
) -> Option<f64> {
    const EXPECTED: &str = "a number";
    let text = plain(node, path, EXPECTED, problems)?;
    let looks_numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let Some(number) = text.parse::<f64>().ok().filter(|_| looks_numeric) else {
        wrong_type(node, path, EXPECTED, problems);
        return None;
    };
    if !number.is_finite() || !allowed(number) {
        let (path, range) = (path.to_owned(), range.to_owned());
        problems.push(node.span, Problem::OutOfRange { path, given: shown(text), range, reason: None });
        return None;
    }
    // Zero has one spelling, so that equal recipes have equal keys.
    Some(if number == 0.0 { 0.0 } else { number })
}

/// Reads one number with a fraction that lies within bounds.
pub(crate) fn real_within(
    node: &Node,
    path: &str,
    bounds: &RealBounds,
    problems: &mut Problems,
) -> Option<f64> {
    let number = real(node, path, &bounds.to_string(), |_| true, problems)?;
    if bounds.contain(number) {
        return Some(number);
    }
    let is_bound = number == bounds.low || number == bounds.high;
    let reason = is_bound.then(|| format!("{number} itself does not belong to it"));
    let (given, path) = (shown(&number.to_string()), path.to_owned());
    problems.push(node.span, Problem::OutOfRange { path, given, range: bounds.to_string(), reason });
    None
}

/// Reads `true` or `false`.
pub(crate) fn truth(node: &Node, path: &str, problems: &mut Problems) -> Option<bool> {
    const EXPECTED: &str = "true or false";
    match plain(node, path, EXPECTED, problems)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            wrong_type(node, path, EXPECTED, problems);
            None
        }
    }
}

/// Reads one of a few words.
pub(crate) fn choice<T: Copy>(
    node: &Node,
    path: &str,
    what: &'static str,
    (words, values): (&'static [&'static str], &[T]),
    problems: &mut Problems,
) -> Option<T> {
    let given = text(node, path, "one word", problems)?;
    let index = words.iter().position(|word| *word == given);
    let chosen = index.and_then(|index| values.get(index).copied());
    if chosen.is_none() {
        let (path, given) = (path.to_owned(), shown(given));
        problems.push(node.span, Problem::UnknownChoice { path, what, given, known: words });
    }
    chosen
}

/// Whether this is one of YAML's ways to write nothing.
pub(crate) fn is_null(plain_text: &str) -> bool {
    matches!(plain_text, "" | "~" | "null" | "Null" | "NULL")
}

/// Reports that a node is of another type than expected.
pub(crate) fn wrong_type(node: &Node, path: &str, expected: &'static str, problems: &mut Problems) {
    let found = match &node.value {
        Value::Scalar { text, plain: true } if is_null(text) => {
            return problems.push(node.span, Problem::Nothing { path: path.to_owned(), expected });
        }
        Value::Scalar { text, plain: true } => shown(text),
        Value::Scalar { text, plain: false } => format!("the text {:?}", shown(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    };
    problems.push(node.span, Problem::WrongType { path: path.to_owned(), found, expected });
}

/// What people gave, cut to a length that fits a message and on one line.
pub(crate) fn shown(given: &str) -> String {
    cut(given, 60)
}

/// Another module's message, which may quote what people gave.
pub(crate) fn shown_sentence(message: &impl Display) -> String {
    cut(&message.to_string(), 300)
}

fn cut(text: &str, longest: usize) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(longest).map(printable).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}
