//! Network files: what is read, what is written, and what is refused.

use proptest::prelude::*;

use super::{read, to_yaml};
use crate::network::{LinearOutputs, Network, Operator, PRESETS, Start};

const HEAD: &str = "network: n\nside: 8\nlayers:\n";
const LAST: &str = "  - {name: last, operators: {linear: {outputs: recipe}}}\n";

fn network(text: &str) -> Network {
    read("n.yaml", text).unwrap_or_else(|errors| panic!("{}", errors.render(false))).network().clone()
}

/// All errors of a file, one a line.
fn errors(text: &str) -> String {
    read("n.yaml", text).map(|file| panic!("accepted: {:?}", file.network())).unwrap_err().to_string()
}

#[test]
fn every_preset_written_and_read_again_is_the_same_network() {
    for name in PRESETS {
        let preset = Network::preset(name).unwrap();
        assert_eq!(network(&to_yaml(&preset)), preset, "{name}");
    }
}

#[test]
fn a_preset_is_written_with_every_value() {
    insta::assert_snapshot!(to_yaml(&Network::preset("caffenet").unwrap()));
}

#[test]
fn what_is_not_said_has_caffes_values() {
    let short = "  - name: a\n    operators: [{convolution: {outputs: 4, kernel: 3}}, local_response_norm]\n";
    let read = network(&format!("{HEAD}{short}{LAST}"));
    let start = Start { weight_deviation: 0.01, bias: 0.0 };
    let convolution = Operator::Convolution { outputs: 4, kernel: 3, stride: 1, pad: 0, groups: 1, start };
    let norm = Operator::LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    assert_eq!(read.layers[0].operators, [convolution, norm]);
    assert_eq!(read.layers[1].operators, [Operator::Linear { outputs: LinearOutputs::Recipe, start }]);
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let text = include_str!("../../../tests/networks/everything-wrong.yaml");
    insta::assert_snapshot!(read("everything-wrong.yaml", text).unwrap_err().render(false));
}

#[test]
fn an_operator_that_we_do_not_have_is_refused_by_name() {
    for operator in ["batch_norm", "average_pool", "sigmoid", "deconvolution", "residual"] {
        let text =
            format!("{HEAD}  - {{name: a, operators: [{{linear: {{outputs: 4}}}}, {operator}]}}\n{LAST}");
        let found = errors(&text);
        assert!(
            found.contains(&format!("layers[0].operators[1]: there is no operator \"{operator}\"")),
            "{found}"
        );
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    let found = errors(&format!("{HEAD}  - {{name: a, operators: [avg]}}\n{LAST}"));
    assert!(
        found.ends_with("(known are convolution, linear, relu, max_pool, local_response_norm, dropout)"),
        "{found}"
    );
}

#[test]
fn sizes_that_fit_no_image_are_found_at_their_layer() {
    let first = "  - {name: a, operators: [{convolution: {outputs: 6, kernel: 5}}]}\n";
    let second =
        |operator: &str| errors(&format!("{HEAD}{first}  - {{name: b, operators: [{operator}]}}\n{LAST}"));
    for (operator, expected) in [
        (
            "{convolution: {outputs: 4, kernel: 5}}",
            "n.yaml:5:12: layer b: a window of 5 does not fit into 4 pixels",
        ),
        (
            "{convolution: {outputs: 8, kernel: 3, groups: 4}}",
            "n.yaml:5:12: layer b: 4 groups do not divide 6 channels",
        ),
        (
            "{linear: {outputs: 4}}, {max_pool: {kernel: 1, stride: 1}}",
            "n.yaml:5:12: layer b: max_pool needs rows and columns, but a linear operator below leaves none",
        ),
    ] {
        assert_eq!(second(operator), expected, "{operator}");
    }
}

#[test]
fn groups_that_fit_colour_alone_are_refused_on_grey_images() {
    let text = format!(
        "{HEAD}  - {{name: a, operators: [{{convolution: {{outputs: 6, kernel: 3, groups: 3}}}}]}}\n{LAST}"
    );
    let file = read("n.yaml", &text).unwrap();
    file.check_shapes(3, 10).unwrap();
    let found = file.check_shapes(1, 10).unwrap_err().to_string();
    assert_eq!(found, "n.yaml:4:12: layer a: 3 groups do not divide 1 channels");
}

#[test]
fn a_network_has_two_layers_at_least_and_a_bounded_number() {
    assert_eq!(
        errors(&format!("{HEAD}{LAST}")),
        "n.yaml:4:3: layers: a network has 2 to 99 layers, this one has 1"
    );
    let many: String = (0..120)
        .map(|index| format!("  - {{name: l{index}, operators: {{linear: {{outputs: 4}}}}}}\n"))
        .collect();
    let found = errors(&format!("{HEAD}{many}{LAST}"));
    assert!(found.contains("layers: a network has 2 to 99 layers, this one has 121"), "{found}");
}

#[test]
fn what_is_not_yaml_or_not_a_network_is_refused() {
    for (text, expected) in [
        ("", "n.yaml:1:1: file is empty"),
        ("network: [", "this is not YAML"),
        ("7", "n.yaml:1:1: file: 7 is not a mapping of keys to values"),
        ("network: n\nside: 8\nlayers: 3\n", "n.yaml:3:9: layers: 3 is not a list of layers"),
        ("network: n\nside: 8\nlayers: [{name: a}, 3]\n", "key `operators` is missing in `layers[0]`"),
    ] {
        let found = errors(text);
        assert!(found.contains(expected), "{found}");
    }
}

const PAGE: &str = include_str!("../../../../../docs/networks.md");

#[test]
fn the_pages_example_is_read_as_it_stands() {
    let example = PAGE.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let network = network(example);
    let outputs: Vec<_> = network.shapes(3, 10).unwrap().iter().map(|layer| layer.output.channels).collect();
    assert_eq!(outputs, [32, 256, 10]);
    // The operators' table says what stands for what is not said.
    let norm = Operator::LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    assert!(network.layers[0].operators.contains(&norm));
}

#[test]
fn the_pages_table_counts_the_presets_parameters() {
    for name in PRESETS {
        let network = Network::preset(name).unwrap();
        let channels = if network.side == 28 { 1 } else { 3 };
        let outputs = if *name == "caffenet" { 1_000 } else { 5 };
        let shapes = network.shapes(channels, outputs).unwrap();
        let parameters = shapes.iter().map(|layer| layer.parameters).sum::<u64>().to_string();
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(row.replace(',', "").ends_with(&format!("| {parameters} |")), "{row}: {parameters}");
    }
}

fn check(text: &str) {
    match read("n.yaml", text) {
        Ok(file) => assert_eq!(&network(&to_yaml(file.network())), file.network()),
        Err(errors) => assert!(errors.render(true).contains("n.yaml:"), "{errors}"),
    }
}

/// Pieces of real files, so that random ones get far.
const PIECES: &[&str] = &[
    "network: n\n",
    "side: 8\n",
    "layers:\n",
    "  - name: a\n",
    "  - name: b\n",
    "    operators:\n",
    "      - ",
    "convolution: ",
    "linear: ",
    "{outputs: 4, kernel: 3}",
    "{outputs: recipe}",
    "{outputs: 9}",
    "relu\n",
    "dropout\n",
    "max_pool: {kernel: 3, stride: 2}\n",
    "local_response_norm\n",
    "bias: 1\n",
    "9",
    "-1",
    "~",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "\n",
    "  ",
    ": ",
];

proptest! {
    #[test]
    fn reading_survives_pieces_of_files(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        check(&pieces.concat());
    }

    #[test]
    fn reading_survives_a_hole(at in 0..900_usize, length in 0..40_usize, filling in ".{0,6}") {
        let mut bytes = to_yaml(&Network::preset("caffenet-32").unwrap()).into_bytes();
        let at = at.min(bytes.len());
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, filling.bytes());
        check(&String::from_utf8_lossy(&bytes));
    }
}
