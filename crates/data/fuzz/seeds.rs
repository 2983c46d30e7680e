//! Writes inputs that are as they should be, a folder for each target: where fuzzing begins.
//!
//! Into the folder SELFFER_FUZZ_SEEDS, with the examples in SELFFER_FUZZ_EXAMPLES. A fuzz target
//! itself, because what is built with coverage cannot be linked without the fuzzer; it ends
//! before it is given anything.

#![no_main]

use std::{env, fs, path::Path, process};

use prost::Message as _;
use selffer_core::pack::Encoding;
use selffer_data::fuzzing;
use selffer_data_fuzz::{VALIDATION_MAP, idx, jpeg, png, training_archive};
use selffer_proto::v1;

libfuzzer_sys::fuzz_target!(
    init: write_seeds(),
    |_bytes: &[u8]| {}
);

const NETWORK: &str = "\
network: two-layers
side: 28
layers:
  - name: conv1
    operators:
      - convolution: {outputs: 8, kernel: 5, stride: 1, pad: 2, groups: 1, weight_deviation: 0.01, bias: 0}
      - relu
      - max_pool: {kernel: 3, stride: 2}
      - local_response_norm: {size: 5, alpha: 0.0001, beta: 0.75, k: 1}
      - dropout
  - name: fc2
    operators:
      - linear: {outputs: recipe}
";

fn heartbeat() -> Vec<u8> {
    let claim = v1::JobClaim { job_id: "1".into(), claim_id: vec![2; 16] };
    let item = v1::Inventory { claim: Some(claim), iteration: 7, ..Default::default() };
    v1::HeartbeatRequest { session_id: "session".into(), inventory: vec![item] }.encode_to_vec()
}

fn write_seeds() {
    let given = |key| env::var_os(key).expect("deploy/dev/fuzz says where");
    let (folder, examples) = (given("SELFFER_FUZZ_SEEDS"), given("SELFFER_FUZZ_EXAMPLES"));
    let [images, _] = idx();
    let (pixels, jpegs) = (fuzzing::shard(Encoding::Pixels), fuzzing::shard(Encoding::Jpeg { quality: 90 }));
    let (manifest, archive) = (fuzzing::manifest(), training_archive());
    let (picture, other, row) = (jpeg(9, 7), png(5, 6), png(1024, 1));
    let (network, heartbeat) = (NETWORK.as_bytes(), heartbeat());
    let written: [(&str, &[u8]); 14] = [
        ("picture", &picture),
        ("picture", &other),
        ("idx", &images),
        ("png_rows", &row),
        ("archive", &archive),
        ("labels", VALIDATION_MAP),
        ("labels", b"ILSVRC2012_val_00000001.JPEG 0\nILSVRC2012_val_00000002.JPEG 1\n"),
        ("groups", b"class,half\ncat,A\ndog,A\ncar,B\n"),
        ("manifest", manifest.as_bytes()),
        ("shard", &pixels),
        ("jpeg_shard", &jpegs),
        ("weights", &pixels),
        ("network", network),
        ("messages", &heartbeat),
    ];
    for (index, (target, bytes)) in written.into_iter().enumerate() {
        put(&Path::new(&folder).join(target), &format!("seed-{index}"), bytes);
    }
    let grids = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/grids");
    for entry in fs::read_dir(grids).expect("the example grids are there").flatten() {
        let grid = fs::read(entry.path()).expect("a grid is read");
        put(&Path::new(&folder).join("grid"), &entry.file_name().to_string_lossy(), &grid);
    }
    for entry in fs::read_dir(examples).expect("the examples are there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = match name.rsplit('.').next() {
            Some("jpg" | "jpeg" | "png") => "picture",
            Some("mat") => "mat",
            Some("gz") => "cifar",
            _ => continue,
        };
        put(&Path::new(&folder).join(target), &name, &fs::read(entry.path()).expect("an example is read"));
    }
    process::exit(0);
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(name), bytes)).expect("seeds are written");
}
