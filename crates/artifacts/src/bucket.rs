//! Buckets of servers that speak S3.
//!
//! A put is one request: an object is there whole or not at all, and there is nothing
//! temporary to clean up. Credentials, region and endpoint come from the usual variables
//! (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …); none of
//! them is ever logged.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    prefix::PrefixStore,
};

/// How long one request may take: a chunk has 8 MiB.
const REQUEST_WITHIN: &str = "60 seconds";
/// How long a server may take to accept a connection.
const CONNECT_WITHIN: &str = "5 seconds";
/// How long a request is repeated here; those who wait for us repeat it longer.
const RETRY_WITHIN: Duration = Duration::from_secs(15);

/// The objects of this bucket below the prefix, as the variables say where it is. Nothing is
/// asked yet.
pub(crate) fn objects(
    (bucket, prefix): (&str, &str),
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        let key = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse());
        if let Some(Ok(key)) = key {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(3), ..BackoffConfig::default() },
        max_retries: 5,
        retry_timeout: RETRY_WITHIN,
    };
    let client = |key, value| (AmazonS3ConfigKey::Client(key), value);
    for (key, value) in [
        client(ClientConfigKey::Timeout, REQUEST_WITHIN),
        client(ClientConfigKey::ConnectTimeout, CONNECT_WITHIN),
    ] {
        builder = builder.with_config(key, value);
    }
    let objects = builder
        .with_bucket_name(bucket)
        // Servers beside the cloud seldom have a host name for each bucket.
        .with_virtual_hosted_style_request(false)
        // Whoever writes http:// into the endpoint means it.
        .with_allow_http(endpoint.starts_with("http://"))
        .with_retry(retry)
        .build()?;
    Ok(if prefix.is_empty() { Arc::new(objects) } else { Arc::new(PrefixStore::new(objects, prefix)) })
}
