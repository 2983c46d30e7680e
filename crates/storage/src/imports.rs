//! Imports, which are packs and weights: announced, published under names, found by name or
//! digest.
//!
//! An import's digest is that of its manifest, so a row's content can never change. A name
//! belongs to one import of a kind.

use selffer_core::{
    artifact::Manifest,
    ids::{Digest, Name},
    import::{ImportKind, ImportManifest},
    pack::PackManifest,
    weights::WeightsManifest,
};
use sqlx::types::Json;

use crate::{Store, StoreError, convert, dropped};

/// An import as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRow<M = ImportManifest> {
    /// Of the canonical manifest.
    pub digest: Digest,
    /// Everything but its bytes.
    pub manifest: M,
    /// Its files and their chunks.
    pub objects: Manifest,
    /// All its names, in order.
    pub names: Vec<String>,
    /// Whether every chunk is there.
    pub published: bool,
}

/// A pack as stored.
pub type PackRow = ImportRow<PackManifest>;
/// Weights as stored.
pub type WeightsRow = ImportRow<WeightsManifest>;

impl ImportRow {
    fn with<M>(self, of: impl FnOnce(ImportManifest) -> Option<M>) -> Option<ImportRow<M>> {
        let Self { digest, manifest, objects, names, published } = self;
        of(manifest).map(|manifest| ImportRow { digest, manifest, objects, names, published })
    }

    fn pack(self) -> Option<PackRow> {
        self.with(|manifest| match manifest {
            ImportManifest::Pack(pack) => Some(pack),
            ImportManifest::Weights(_) => None,
        })
    }

    fn weights(self) -> Option<WeightsRow> {
        self.with(|manifest| match manifest {
            ImportManifest::Weights(weights) => Some(weights),
            ImportManifest::Pack(_) => None,
        })
    }
}

struct StoredImport {
    digest: Vec<u8>,
    kind: String,
    manifest: String,
    objects: Json<Manifest>,
    names: Vec<String>,
    published: bool,
}

impl StoredImport {
    fn read(self) -> Result<ImportRow, StoreError> {
        let corrupt = |problem| StoreError::Corrupt { what: "an import", problem };
        let kind: ImportKind = self.kind.parse().map_err(|error| corrupt(format!("{error}")))?;
        let manifest = ImportManifest::read(kind, &self.manifest).map_err(|error| corrupt(told(&error)))?;
        let digest = convert::digest(&self.digest)?;
        let objects = self.objects.0;
        Ok(ImportRow { digest, manifest, objects, names: self.names, published: self.published })
    }
}

fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl Store {
    /// Announces an import. Until it is published the newest announcement says how its content
    /// is cut into chunks: one that was cut otherwise, and cut off, must not bind those after it.
    ///
    /// # Errors
    /// The database.
    pub async fn begin_import(
        &self,
        manifest: &ImportManifest,
        objects: &Manifest,
    ) -> Result<Digest, StoreError> {
        let text = manifest.to_text();
        let digest = Digest::of(text.as_bytes());
        let mut tx = self.main.begin().await?;
        sqlx::query!(
            r#"INSERT INTO imports (digest, kind, manifest, objects, bytes)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (digest) DO UPDATE
                   SET objects = EXCLUDED.objects, bytes = EXCLUDED.bytes
                   WHERE imports.published_at IS NULL"#,
            &digest.0[..],
            manifest.kind().as_str(),
            text,
            Json(objects) as _,
            convert::to_i64("bytes of an import", objects.bytes())?,
        )
        .execute(&mut *tx)
        .await?;
        dropped::want_again(&mut tx, objects).await?;
        tx.commit().await?;
        Ok(digest)
    }

    /// Makes an import usable, under this name. The caller has read it and checked that every
    /// chunk is there.
    ///
    /// # Errors
    /// Its chunks are no longer those, or the name belongs to another import of its kind.
    pub async fn publish_import(&self, checked: &ImportRow, name: &Name) -> Result<(), StoreError> {
        let (digest, kind) = (checked.digest, checked.manifest.kind());
        let mut tx = self.main.begin().await?;
        let published = sqlx::query!(
            r#"UPDATE imports
               SET published_at = COALESCE(published_at, clock_timestamp())
               WHERE digest = $1
                 AND objects = $2"#,
            &digest.0[..],
            Json(&checked.objects) as _,
        );
        if published.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(StoreError::ImportChanged { kind, digest });
        }
        sqlx::query!(
            r#"INSERT INTO import_names (kind, name, digest)
               VALUES ($1, $2, $3)
               ON CONFLICT (kind, name) DO NOTHING"#,
            kind.as_str(),
            name.as_str(),
            &digest.0[..],
        )
        .execute(&mut *tx)
        .await?;
        let owner = sqlx::query_scalar!(
            r#"SELECT digest
               FROM import_names
               WHERE kind = $1
                 AND name = $2"#,
            kind.as_str(),
            name.as_str(),
        );
        let owner = convert::digest(&owner.fetch_one(&mut *tx).await?)?;
        if owner != digest {
            return Err(StoreError::ImportNameTaken { kind, name: name.to_string(), digest: owner });
        }
        tx.commit().await?;
        Ok(())
    }

    /// An import by name.
    ///
    /// # Errors
    /// There is none of this kind.
    pub async fn import_by_name(&self, kind: ImportKind, name: &str) -> Result<ImportRow, StoreError> {
        let digest = sqlx::query_scalar!(
            r#"SELECT digest
               FROM import_names
               WHERE kind = $1
                 AND name = $2"#,
            kind.as_str(),
            name,
        );
        match digest.fetch_optional(&self.main).await? {
            Some(bytes) => self.import_by_digest(kind, convert::digest(&bytes)?).await,
            None => Err(StoreError::NotFound { what: kind.as_str(), name: name.to_owned() }),
        }
    }

    /// An import by digest, also if chunks are still missing.
    ///
    /// # Errors
    /// There is none of this kind.
    pub async fn import_by_digest(&self, kind: ImportKind, digest: Digest) -> Result<ImportRow, StoreError> {
        let row = sqlx::query_as!(
            StoredImport,
            r#"SELECT digest, kind, manifest, objects AS "objects: Json<Manifest>",
                   ARRAY(SELECT name FROM import_names n WHERE n.digest = i.digest ORDER BY name) AS "names!",
                   published_at IS NOT NULL AS "published!"
               FROM imports i
               WHERE digest = $1
                 AND kind = $2"#,
            &digest.0[..],
            kind.as_str(),
        );
        let row = row.fetch_optional(&self.main).await?;
        row.ok_or_else(|| StoreError::NotFound { what: kind.as_str(), name: digest.to_string() })?.read()
    }

    /// All published imports of this kind, in the order of their names.
    ///
    /// # Errors
    /// The database.
    pub async fn imports(&self, kind: ImportKind) -> Result<Vec<ImportRow>, StoreError> {
        let rows = sqlx::query_as!(
            StoredImport,
            r#"SELECT digest, kind, manifest, objects AS "objects: Json<Manifest>",
                   ARRAY(SELECT name FROM import_names n WHERE n.digest = i.digest ORDER BY name) AS "names!",
                   published_at IS NOT NULL AS "published!"
               FROM imports i
               WHERE published_at IS NOT NULL
                 AND kind = $1
               ORDER BY 5"#,
            kind.as_str(),
        );
        rows.fetch_all(&self.main).await?.into_iter().map(StoredImport::read).collect()
    }

    /// The published pack of this name or digest; none if there is none.
    ///
    /// # Errors
    /// The database.
    pub async fn pack(&self, name_or_digest: &str) -> Result<Option<PackRow>, StoreError> {
        Ok(self.published(ImportKind::Pack, name_or_digest).await?.and_then(ImportRow::pack))
    }

    /// All published packs, in the order of their names.
    ///
    /// # Errors
    /// The database.
    pub async fn packs(&self) -> Result<Vec<PackRow>, StoreError> {
        Ok(self.imports(ImportKind::Pack).await?.into_iter().filter_map(ImportRow::pack).collect())
    }

    /// The published weights of this name or digest; none if there are none.
    ///
    /// # Errors
    /// The database.
    pub async fn weights(&self, name_or_digest: &str) -> Result<Option<WeightsRow>, StoreError> {
        Ok(self.published(ImportKind::Weights, name_or_digest).await?.and_then(ImportRow::weights))
    }

    async fn published(
        &self,
        kind: ImportKind,
        name_or_digest: &str,
    ) -> Result<Option<ImportRow>, StoreError> {
        let found = match name_or_digest.parse::<Digest>() {
            Ok(digest) => self.import_by_digest(kind, digest).await,
            Err(_) => self.import_by_name(kind, name_or_digest).await,
        };
        match found {
            Ok(row) => Ok(Some(row).filter(|row| row.published)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
