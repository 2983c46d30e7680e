//! Manifests, objects and chunks. Only shapes are checked here; whether chunks add up is
//! [`Manifest::check`]'s business.

use selffer_core::artifact::{Chunk, Manifest, Object};

use super::{ConvertError, digest};
use crate::v1;

impl TryFrom<v1::Chunk> for Chunk {
    type Error = ConvertError;

    fn try_from(chunk: v1::Chunk) -> Result<Self, ConvertError> {
        Ok(Self { digest: digest("digest", &chunk.digest)?, bytes: chunk.bytes })
    }
}

impl From<&Chunk> for v1::Chunk {
    fn from(chunk: &Chunk) -> Self {
        Self { digest: chunk.digest.0.to_vec(), bytes: chunk.bytes }
    }
}

impl TryFrom<v1::Object> for Object {
    type Error = ConvertError;

    fn try_from(object: v1::Object) -> Result<Self, ConvertError> {
        let chunks = object.chunks.into_iter().map(Chunk::try_from).collect::<Result<_, _>>();
        Ok(Self {
            name: object.name,
            bytes: object.bytes,
            chunks: chunks.map_err(|error| error.within("chunks"))?,
        })
    }
}

impl From<&Object> for v1::Object {
    fn from(object: &Object) -> Self {
        Self {
            name: object.name.clone(),
            bytes: object.bytes,
            chunks: object.chunks.iter().map(v1::Chunk::from).collect(),
        }
    }
}

impl TryFrom<v1::Manifest> for Manifest {
    type Error = ConvertError;

    fn try_from(manifest: v1::Manifest) -> Result<Self, ConvertError> {
        let objects = manifest.objects.into_iter().map(Object::try_from).collect::<Result<_, _>>();
        Ok(Self { objects: objects.map_err(|error| error.within("objects"))? })
    }
}

impl From<&Manifest> for v1::Manifest {
    fn from(manifest: &Manifest) -> Self {
        Self { objects: manifest.objects.iter().map(v1::Object::from).collect() }
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::ids::Digest;

    use super::*;

    #[test]
    fn a_manifest_comes_back_as_it_went() {
        let chunk = Chunk { digest: Digest::of(b"abc"), bytes: 3 };
        let object = Object { name: "state.json".into(), bytes: 3, chunks: vec![chunk] };
        let manifest = Manifest { objects: vec![object] };

        assert_eq!(Manifest::try_from(v1::Manifest::from(&manifest)), Ok(manifest));
    }

    #[test]
    fn a_short_digest_is_told_by_its_place() {
        let chunks = vec![v1::Chunk { digest: vec![0; 31], bytes: 1 }];
        let object = v1::Object { name: "x".into(), bytes: 1, chunks };

        let error = Manifest::try_from(v1::Manifest { objects: vec![object] }).unwrap_err();

        assert_eq!(error.to_string(), "objects.chunks.digest: has 31 bytes, not 32");
    }
}
