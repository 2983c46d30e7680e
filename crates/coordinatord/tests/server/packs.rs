//! Packs go in whole and right, or not at all.

use selffer_core::limits::CHUNK_BYTES_MAX;
use selffer_proto::v1;
use tonic::Code;

use crate::harness::{Server, begin_pack, pack, put_pack_chunk};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pack_of_several_chunks_comes_back_as_it_went() {
    let server = Server::start();
    let mut packs = server.connection().packs();
    let train: Vec<u8> = (0..CHUNK_BYTES_MAX + 3_000_000).map(|index| (index % 253) as u8).collect();
    let (manifest, objects) = pack(&train, b"validation");
    let begun = begin_pack(&mut packs, &manifest, &objects).await.unwrap();
    assert_eq!(begun.missing.len(), 3);

    upload(&mut packs, &begun.digest, &objects, [&train, b"validation"]).await;

    // Beginning again is the resume: nothing is missing now.
    assert!(begin_pack(&mut packs, &manifest, &objects).await.unwrap().missing.is_empty());
    packs.publish(v1::PublishPackRequest { digest: begun.digest.clone(), name: "big".into() }).await.unwrap();
    let selector = Some(v1::get_pack_request::Selector::Name("big".into()));
    let got = packs.get(v1::GetPackRequest { selector }).await.unwrap().into_inner();
    assert_eq!(got.digest, begun.digest);
    let mut bytes = Vec::new();
    for chunk in &got.manifest.unwrap().objects[0].chunks {
        let request =
            v1::ReadPackChunkRequest { pack_digest: got.digest.clone(), digest: chunk.digest.clone() };
        let mut frames = packs.read_chunk(request).await.unwrap().into_inner();
        while let Some(frame) = frames.message().await.unwrap() {
            bytes.extend(frame.data);
        }
    }
    assert!(bytes == train);
}

async fn upload(
    packs: &mut crate::harness::Packs,
    digest: &[u8],
    objects: &selffer_core::artifact::Manifest,
    bytes: [&[u8]; 2],
) {
    for (object, bytes) in objects.objects.iter().zip(bytes) {
        for (chunk, bytes) in object.chunks.iter().zip(bytes.chunks(CHUNK_BYTES_MAX as usize)) {
            let header = v1::put_pack_chunk_request::Header {
                pack_digest: digest.to_vec(),
                chunk: Some(chunk.into()),
            };
            put_in_frames(packs, header, bytes).await;
        }
    }
}

async fn put_in_frames(
    packs: &mut crate::harness::Packs,
    header: v1::put_pack_chunk_request::Header,
    bytes: &[u8],
) {
    use v1::put_pack_chunk_request::Frame;
    let data = bytes.chunks(1 << 20).map(|data| Frame::Data(data.to_vec()));
    let frames: Vec<_> = std::iter::once(Frame::Header(header))
        .chain(data)
        .map(|frame| v1::PutPackChunkRequest { frame: Some(frame) })
        .collect();
    packs.put_chunk(tokio_stream::iter(frames)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_chunks_and_manifests_are_refused_and_nothing_is_stored() {
    let server = Server::start();
    let mut packs = server.connection().packs();
    let (manifest, objects) = pack(b"train", b"validation");
    let begun = begin_pack(&mut packs, &manifest, &objects).await.unwrap();
    let chunk = &objects.objects[0].chunks[0];
    let header =
        |chunk| v1::put_pack_chunk_request::Header { pack_digest: begun.digest.clone(), chunk: Some(chunk) };
    let foreign = v1::Chunk { digest: vec![1; 32], bytes: 5 };

    for (header, bytes) in [
        (header(chunk.into()), b"trai".as_slice()),
        (header(chunk.into()), b"train and more".as_slice()),
        (header(chunk.into()), b"tRain".as_slice()),
        (header(chunk.into()), b"".as_slice()),
        (header(foreign), b"train".as_slice()),
    ] {
        let status = put_pack_chunk(&mut packs, header, bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bytes:?}: {status}");
    }
    let missing = begin_pack(&mut packs, &manifest, &objects).await.unwrap().missing;
    assert_eq!(missing.len(), 2);
    let publish = v1::PublishPackRequest { digest: begun.digest.clone(), name: "tiny".into() };
    assert_eq!(packs.publish(publish).await.unwrap_err().code(), Code::FailedPrecondition);

    let (mut contradiction, objects) = pack(b"train", b"validation");
    contradiction.train.images_per_class[0] += 1;
    let status = begin_pack(&mut packs, &contradiction, &objects).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("manifest_json: train: images_per_class"), "{status}");
}
