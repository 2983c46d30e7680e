//! Packs and weights go in whole and right, or not at all.

use selffer_artifacts::cut_bytes;
use selffer_core::{
    artifact::Manifest,
    ids::Digest,
    import::{ImportKind, ImportManifest},
    limits::CHUNK_BYTES_MAX,
    weights::{SCHEMA, WeightsLayer, WeightsManifest, layer_file},
};
use selffer_proto::{convert::import_kind_number, v1};
use tonic::Code;

use crate::harness::{
    Imports, Server, begin_import, chunk_header, import_pack, list_imports, pack, publish_import,
    put_import_chunk,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pack_of_several_chunks_comes_back_as_it_went() {
    let server = Server::start();
    let mut imports = server.connection().imports();
    let train: Vec<u8> = (0..CHUNK_BYTES_MAX + 3_000_000).map(|index| (index % 253) as u8).collect();
    let (manifest, objects) = pack(&train, b"validation");
    let manifest = ImportManifest::Pack(manifest);
    let begun = begin_import(&mut imports, &manifest, &objects).await.unwrap();
    assert_eq!(begun.missing.len(), 3);

    upload(&mut imports, (ImportKind::Pack, &begun.digest), &objects, &[&train, b"validation"]).await;

    // Beginning again is the resume: nothing is missing now.
    assert!(begin_import(&mut imports, &manifest, &objects).await.unwrap().missing.is_empty());
    imports.publish(publish_import(ImportKind::Pack, &begun.digest, "big")).await.unwrap();
    let got = get(&mut imports, ImportKind::Pack, "big").await.unwrap();
    assert_eq!(got.digest, begun.digest);
    assert!(read(&mut imports, ImportKind::Pack, &got).await == train);
}

/// A folder of weights whose one layer's file is these bytes; the coordinator does not look.
fn weights(file: &[u8]) -> (ImportManifest, Manifest) {
    let layer = WeightsLayer {
        name: "conv1".into(),
        weight_shape: vec![2, 1, 3, 3],
        bias_shape: vec![2],
        bytes: file.len() as u64,
        digest: Digest::of(file),
        values: Digest::of(b"values"),
    };
    let manifest = WeightsManifest { schema: SCHEMA.into(), channels: 1, layers: vec![layer] };
    (ImportManifest::Weights(manifest), Manifest { objects: vec![cut_bytes(&layer_file(0, "conv1"), file)] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn weights_have_names_of_their_own_beside_those_of_packs() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let mut imports = connection.imports();
    let (manifest, objects) = weights(&[7; 240]);
    let begun = begin_import(&mut imports, &manifest, &objects).await.unwrap();
    upload(&mut imports, (ImportKind::Weights, &begun.digest), &objects, &[&[7; 240]]).await;

    imports.publish(publish_import(ImportKind::Weights, &begun.digest, "tiny")).await.unwrap();

    let listed = list_imports(&connection, ImportKind::Weights).await;
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "tiny"));
    let summary = v1::WeightsSummary { channels: 1, layers: vec!["conv1".into()] };
    assert_eq!(listed[0].of, Some(v1::import_summary::Of::Weights(summary)));
    assert_eq!(list_imports(&connection, ImportKind::Pack).await.len(), 1);
    let got = get(&mut imports, ImportKind::Weights, "tiny").await.unwrap();
    assert_eq!(ImportManifest::read(ImportKind::Weights, &got.manifest_json).unwrap(), manifest);
    assert!(read(&mut imports, ImportKind::Weights, &got).await == [7; 240]);
    // By digest too, a pack is not found as weights, nor weights as a pack.
    let pack = get(&mut imports, ImportKind::Pack, "tiny").await.unwrap();
    assert_ne!(pack.digest, got.digest);
    let wrong = v1::ReadImportChunkRequest {
        kind: import_kind_number(ImportKind::Pack),
        import_digest: got.digest.clone(),
        digest: got.manifest.unwrap().objects[0].chunks[0].digest.clone(),
    };
    assert_eq!(imports.read_chunk(wrong).await.unwrap_err().code(), Code::NotFound);

    let (other, objects) = weights(&[8; 240]);
    let begun = begin_import(&mut imports, &other, &objects).await.unwrap();
    upload(&mut imports, (ImportKind::Weights, &begun.digest), &objects, &[&[8; 240]]).await;
    let taken =
        imports.publish(publish_import(ImportKind::Weights, &begun.digest, "tiny")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert!(taken.message().starts_with("the name tiny belongs to another weights"), "{taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_chunks_and_manifests_are_refused_and_nothing_is_stored() {
    let server = Server::start();
    let mut imports = server.connection().imports();
    let (mut manifest, objects) = pack(b"train", b"validation");
    let import = ImportManifest::Pack(manifest.clone());
    let begun = begin_import(&mut imports, &import, &objects).await.unwrap();
    let chunk = &objects.objects[0].chunks[0];
    let header = |chunk| chunk_header(ImportKind::Pack, &begun.digest, chunk);
    let foreign = v1::Chunk { digest: vec![1; 32], bytes: 5 };

    for (header, bytes) in [
        (header(chunk.into()), b"trai".as_slice()),
        (header(chunk.into()), b"train and more".as_slice()),
        (header(chunk.into()), b"tRain".as_slice()),
        (header(chunk.into()), b"".as_slice()),
        (header(foreign), b"train".as_slice()),
    ] {
        let status = put_import_chunk(&mut imports, header, bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bytes:?}: {status}");
    }
    let missing = begin_import(&mut imports, &import, &objects).await.unwrap().missing;
    assert_eq!(missing.len(), 2);
    let publish = publish_import(ImportKind::Pack, &begun.digest, "tiny");
    assert_eq!(imports.publish(publish).await.unwrap_err().code(), Code::FailedPrecondition);

    manifest.train.images_per_class[0] += 1;
    let status = begin_import(&mut imports, &ImportManifest::Pack(manifest), &objects).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("manifest_json: train: the classes have 401 images"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_weights_are_refused_with_the_field() {
    let server = Server::start();
    let mut imports = server.connection().imports();
    let (manifest, objects) = weights(&[7; 240]);
    let ImportManifest::Weights(right) = &manifest else { panic!("{manifest:?}") };
    let mut refused = async |kind: i32, text: String, objects: &Manifest| {
        let request = v1::BeginImportRequest { kind, manifest_json: text, manifest: Some(objects.into()) };
        let status = imports.begin(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status.message().to_owned()
    };
    let kind = import_kind_number(ImportKind::Weights);

    assert_eq!(refused(0, manifest.to_text(), &objects).await, "kind: is not said");
    assert_eq!(refused(9, manifest.to_text(), &objects).await, "kind: 9 is no kind of import");
    let as_pack = refused(import_kind_number(ImportKind::Pack), manifest.to_text(), &objects).await;
    assert!(as_pack.starts_with("manifest_json: not a manifest of kind pack: "), "{as_pack}");
    let mut renamed = right.clone();
    renamed.layers[0].name = "../conv1".into();
    let text = ImportManifest::Weights(renamed).to_text();
    let expected = "manifest_json: layer \"../conv1\" is not a name, or is listed twice";
    assert_eq!(refused(kind, text, &objects).await, expected);
    let others = Manifest { objects: vec![cut_bytes("02-conv1.safetensors", &[7; 240])] };
    let expected = "manifest: its objects are not the files of manifest_json, in order";
    assert_eq!(refused(kind, manifest.to_text(), &others).await, expected);
}

async fn upload(
    imports: &mut Imports,
    (kind, digest): (ImportKind, &[u8]),
    objects: &Manifest,
    bytes: &[&[u8]],
) {
    for (object, bytes) in objects.objects.iter().zip(bytes) {
        for (chunk, bytes) in object.chunks.iter().zip(bytes.chunks(CHUNK_BYTES_MAX as usize)) {
            put_import_chunk(imports, chunk_header(kind, digest, chunk.into()), bytes).await.unwrap();
        }
    }
}

async fn get(
    imports: &mut Imports,
    kind: ImportKind,
    name: &str,
) -> Result<v1::GetImportResponse, tonic::Status> {
    let selector = Some(v1::get_import_request::Selector::Name(name.into()));
    let request = v1::GetImportRequest { kind: import_kind_number(kind), selector };
    imports.get(request).await.map(tonic::Response::into_inner)
}

/// The bytes of its first object.
async fn read(imports: &mut Imports, kind: ImportKind, import: &v1::GetImportResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in &import.manifest.as_ref().unwrap().objects[0].chunks {
        let request = v1::ReadImportChunkRequest {
            kind: import_kind_number(kind),
            import_digest: import.digest.clone(),
            digest: chunk.digest.clone(),
        };
        let mut frames = imports.read_chunk(request).await.unwrap().into_inner();
        while let Some(frame) = frames.message().await.unwrap() {
            bytes.extend(frame.data);
        }
    }
    bytes
}
