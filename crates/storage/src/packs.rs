//! Packs: announced, published under names, found by name or digest.
//!
//! A pack's digest is that of its manifest, so a row's content can never change. A name
//! belongs to one pack.

use selffer_core::{
    artifact::Manifest,
    identity::canonical_json,
    ids::{Digest, Name},
    pack::PackManifest,
};
use sqlx::types::Json;

use crate::{Store, StoreError, convert};

/// A pack as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct PackRow {
    /// Of the canonical manifest.
    pub digest: Digest,
    /// Everything but its pixels.
    pub manifest: PackManifest,
    /// Shards and their chunks.
    pub objects: Manifest,
    /// All its names, in order.
    pub names: Vec<String>,
    /// Whether every chunk is there.
    pub published: bool,
}

struct StoredPack {
    digest: Vec<u8>,
    manifest: String,
    objects: Json<Manifest>,
    names: Vec<String>,
    published: bool,
}

impl StoredPack {
    fn read(self) -> Result<PackRow, StoreError> {
        let manifest = serde_json::from_str(&self.manifest)
            .map_err(|error| StoreError::Corrupt { what: "a pack's manifest", problem: error.to_string() })?;
        let digest = convert::digest(&self.digest)?;
        Ok(PackRow {
            digest,
            manifest,
            objects: self.objects.0,
            names: self.names,
            published: self.published,
        })
    }
}

impl Store {
    /// Announces a pack. Until it is published the newest announcement says how its content is
    /// cut into chunks: one that was cut otherwise, and cut off, must not bind those after it.
    ///
    /// # Errors
    /// The database.
    pub async fn begin_pack(
        &self,
        manifest: &PackManifest,
        objects: &Manifest,
    ) -> Result<Digest, StoreError> {
        let text = canonical_json(manifest);
        let digest = Digest::of(text.as_bytes());
        sqlx::query!(
            r#"INSERT INTO packs (digest, manifest, objects)
               VALUES ($1, $2, $3)
               ON CONFLICT (digest) DO UPDATE
                   SET objects = EXCLUDED.objects
                   WHERE packs.published_at IS NULL"#,
            &digest.0[..],
            text,
            Json(objects) as _,
        )
        .execute(&self.main)
        .await?;
        Ok(digest)
    }

    /// Makes a pack usable, under this name. The caller has read the pack and checked that every
    /// chunk is there.
    ///
    /// # Errors
    /// Its chunks are no longer those, or the name belongs to another pack.
    pub async fn publish_pack(&self, checked: &PackRow, name: &Name) -> Result<(), StoreError> {
        let digest = checked.digest;
        let mut tx = self.main.begin().await?;
        let published = sqlx::query!(
            r#"UPDATE packs
               SET published_at = COALESCE(published_at, clock_timestamp())
               WHERE digest = $1
                 AND objects = $2"#,
            &digest.0[..],
            Json(&checked.objects) as _,
        );
        if published.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(StoreError::PackChanged { digest });
        }
        sqlx::query!(
            r#"INSERT INTO pack_names (name, digest)
               VALUES ($1, $2)
               ON CONFLICT (name) DO NOTHING"#,
            name.as_str(),
            &digest.0[..],
        )
        .execute(&mut *tx)
        .await?;
        let owner = sqlx::query_scalar!("SELECT digest FROM pack_names WHERE name = $1", name.as_str());
        let owner = convert::digest(&owner.fetch_one(&mut *tx).await?)?;
        if owner != digest {
            return Err(StoreError::PackNameTaken { name: name.to_string(), digest: owner });
        }
        tx.commit().await?;
        Ok(())
    }

    /// A pack by name.
    ///
    /// # Errors
    /// There is none.
    pub async fn pack_by_name(&self, name: &str) -> Result<PackRow, StoreError> {
        let digest = sqlx::query_scalar!("SELECT digest FROM pack_names WHERE name = $1", name);
        match digest.fetch_optional(&self.main).await? {
            Some(bytes) => self.pack_by_digest(convert::digest(&bytes)?).await,
            None => Err(StoreError::NotFound { what: "pack", name: name.to_owned() }),
        }
    }

    /// A pack by digest, also if chunks are still missing.
    ///
    /// # Errors
    /// There is none.
    pub async fn pack_by_digest(&self, digest: Digest) -> Result<PackRow, StoreError> {
        let row = sqlx::query_as!(
            StoredPack,
            r#"SELECT digest, manifest, objects AS "objects: Json<Manifest>",
                   ARRAY(SELECT name FROM pack_names n WHERE n.digest = p.digest ORDER BY name) AS "names!",
                   published_at IS NOT NULL AS "published!"
               FROM packs p
               WHERE digest = $1"#,
            &digest.0[..],
        );
        let row = row.fetch_optional(&self.main).await?;
        row.ok_or_else(|| StoreError::NotFound { what: "pack", name: digest.to_string() })?.read()
    }

    /// All published packs, in the order of their names.
    ///
    /// # Errors
    /// The database.
    pub async fn packs(&self) -> Result<Vec<PackRow>, StoreError> {
        let rows = sqlx::query_as!(
            StoredPack,
            r#"SELECT digest, manifest, objects AS "objects: Json<Manifest>",
                   ARRAY(SELECT name FROM pack_names n WHERE n.digest = p.digest ORDER BY name) AS "names!",
                   published_at IS NOT NULL AS "published!"
               FROM packs p
               WHERE published_at IS NOT NULL
               ORDER BY 4"#,
        );
        rows.fetch_all(&self.main).await?.into_iter().map(StoredPack::read).collect()
    }
}
