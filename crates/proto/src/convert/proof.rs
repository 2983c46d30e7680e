//! Layers beside those they were copied from.

use selffer_core::proof::{LayerProof, LayerRole};

use super::{ConvertError, digest};
use crate::v1;

impl From<&LayerProof> for v1::LayerProof {
    fn from(proof: &LayerProof) -> Self {
        let role = match proof.role {
            LayerRole::Frozen => v1::LayerRole::Frozen,
            LayerRole::FineTuned => v1::LayerRole::FineTuned,
            LayerRole::Own => v1::LayerRole::Own,
        };
        Self {
            layer: proof.layer.clone(),
            role: role.into(),
            digest: proof.digest.0.to_vec(),
            source_digest: proof.source_digest.map_or_else(Vec::new, |digest| digest.0.to_vec()),
            same_bytes: proof.same_bytes,
        }
    }
}

impl TryFrom<v1::LayerProof> for LayerProof {
    type Error = ConvertError;

    fn try_from(proof: v1::LayerProof) -> Result<Self, ConvertError> {
        let role = match proof.role() {
            v1::LayerRole::Frozen => LayerRole::Frozen,
            v1::LayerRole::FineTuned => LayerRole::FineTuned,
            v1::LayerRole::Own => LayerRole::Own,
            v1::LayerRole::Unspecified => {
                return Err(ConvertError::new("role", format!("{} is none that is known here", proof.role)));
            }
        };
        let source = Some(&proof.source_digest).filter(|digest| !digest.is_empty());
        Ok(Self {
            role,
            digest: digest("digest", &proof.digest)?,
            source_digest: source.map(|source| digest("source_digest", source)).transpose()?,
            same_bytes: proof.same_bytes,
            layer: proof.layer,
        })
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::ids::Digest;

    use super::*;

    #[test]
    fn a_proof_comes_back_as_it_went() {
        let frozen = LayerProof {
            layer: "conv1".into(),
            role: LayerRole::Frozen,
            digest: Digest::of(b"1"),
            source_digest: Some(Digest::of(b"1")),
            same_bytes: Some(true),
        };
        let own =
            LayerProof { role: LayerRole::Own, source_digest: None, same_bytes: None, ..frozen.clone() };
        for proof in [frozen, own] {
            assert_eq!(LayerProof::try_from(v1::LayerProof::from(&proof)), Ok(proof));
        }
    }
}
