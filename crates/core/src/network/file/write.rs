//! Writes a network as a file, every value told.

use std::fmt::{self, Write};

use crate::network::{LinearOutputs, Network, Operator, Start};

/// The network as a file; read again, it is the same network.
#[must_use]
pub fn to_yaml(network: &Network) -> String {
    let mut text = String::new();
    write_network(network, &mut text).expect("a string takes everything");
    text
}

fn write_network(network: &Network, text: &mut String) -> fmt::Result {
    writeln!(text, "network: {}", quoted(&network.name))?;
    writeln!(text, "side: {}", network.side)?;
    writeln!(text, "layers:")?;
    for layer in &network.layers {
        writeln!(text, "  - name: {}", quoted(&layer.name))?;
        writeln!(text, "    operators:")?;
        for operator in &layer.operators {
            write!(text, "      - ")?;
            write_operator(operator, text)?;
        }
    }
    Ok(())
}

fn write_operator(operator: &Operator, text: &mut String) -> fmt::Result {
    match operator {
        Operator::Convolution { outputs, kernel, stride, pad, groups, start } => {
            write!(text, "convolution: {{outputs: {outputs}, kernel: {kernel}, stride: {stride}, ")?;
            writeln!(text, "pad: {pad}, groups: {groups}, {}}}", started(*start))
        }
        Operator::Linear { outputs: LinearOutputs::Recipe, start } => {
            writeln!(text, "linear: {{outputs: recipe, {}}}", started(*start))
        }
        Operator::Linear { outputs: LinearOutputs::Count(outputs), start } => {
            writeln!(text, "linear: {{outputs: {outputs}, {}}}", started(*start))
        }
        Operator::Relu => writeln!(text, "relu"),
        Operator::MaxPool { kernel, stride } => {
            writeln!(text, "max_pool: {{kernel: {kernel}, stride: {stride}}}")
        }
        Operator::LocalResponseNorm { size, alpha, beta, k } => {
            writeln!(text, "local_response_norm: {{size: {size}, alpha: {alpha}, beta: {beta}, k: {k}}}")
        }
        Operator::Dropout => writeln!(text, "dropout"),
    }
}

fn started(Start { weight_deviation, bias }: Start) -> String {
    format!("weight_deviation: {weight_deviation}, bias: {bias}")
}

/// Names that YAML would read as something else, such as `null` or `1.5`, stay text.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !crate::grid::reader::is_null(name);
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}
