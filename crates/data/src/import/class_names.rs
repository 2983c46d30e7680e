//! Class names of well-known sets whose files hold numbers only.

use selffer_core::pack::cifar100;

/// The names of Fashion-MNIST's classes, by label, as its authors list them
/// (Xiao, Rasul, Vollgraf 2017, table 2).
const FASHION_MNIST: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The names of CIFAR-10's classes, by label, as its author lists them (Krizhevsky 2009,
/// `batches.meta`).
const CIFAR_10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The class names of the set that people call `dataset`, if they are built in.
#[must_use]
pub fn known_class_names(dataset: &str) -> Option<Vec<String>> {
    match dataset {
        "fashion-mnist" => Some(FASHION_MNIST.map(str::to_owned).to_vec()),
        "cifar-10" => Some(CIFAR_10.map(str::to_owned).to_vec()),
        "cifar-100" => Some(cifar100::classes().iter().map(|class| class.name.to_owned()).collect()),
        _ => None,
    }
}
