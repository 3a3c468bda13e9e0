//! What the functions do with objects, beside what browsers do with forms and links.

mod multipart;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_types::SdkConfig;

use crate::Error;
use crate::aws::AwsConfig;

pub use multipart::{MultipartError, MultipartUpload, Part, etag_of_parts};

const SERVICE: &str = "S3";

/// S3, as both functions call it.
#[derive(Debug, Clone)]
pub struct Storage(Client);

impl Storage {
    /// Creates a client: path-style behind an endpoint of one's own, where a bucket has no host name.
    #[must_use]
    pub fn new(sdk: &SdkConfig, aws: &AwsConfig) -> Self {
        let path_style = aws.endpoints.of("S3").is_some();
        Self(Client::from_conf(aws_sdk_s3::config::Builder::from(sdk).force_path_style(path_style).build()))
    }

    /// Returns whether an object exists. Without the right to list the bucket, S3 answers 403 for one that does not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn exists(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        Ok(self.etag(bucket, key).await?.is_some())
    }

    /// Returns an object's ETag, in quotes; nothing where there is no such object. See [`Self::exists`].
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn etag(&self, bucket: &str, key: &str) -> Result<Option<String>, Error> {
        match self.0.head_object().bucket(bucket).key(key).send().await {
            Ok(object) => Ok(Some(object.e_tag.unwrap_or_default())),
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => Ok(None),
            Err(error) => Err(Error::unavailable(SERVICE, "HeadObject", &error)),
        }
    }

    /// Returns whether a bucket holds an object whose key starts with `prefix`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn any_exists(&self, bucket: &str, prefix: &str) -> Result<bool, Error> {
        let list = self.0.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).send().await;
        let list = list.map_err(|error| Error::unavailable(SERVICE, "ListObjectsV2", &error))?;
        Ok(list.key_count.unwrap_or_default() > 0)
    }

    /// Deletes every version of the objects whose key starts with `prefix` and is `wanted`; returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what is deleted by then stays deleted.
    pub async fn delete_versions(
        &self,
        bucket: &str,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<usize, Error> {
        let (mut deleted, mut key_marker, mut version_marker) = (0, None, None);
        loop {
            let page = self
                .0
                .list_object_versions()
                .bucket(bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker)
                .send()
                .await
                .map_err(|error| Error::unavailable(SERVICE, "ListObjectVersions", &error))?;
            let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
            let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            let found = versions.chain(markers).filter(|(key, _)| key.is_some_and(&wanted));
            let found: Vec<_> = found.filter_map(|(key, version)| identifier(key?, version)).collect();
            deleted += found.len();
            self.delete(bucket, found).await?;
            if !page.is_truncated.unwrap_or_default() {
                return Ok(deleted);
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    async fn delete(&self, bucket: &str, objects: Vec<ObjectIdentifier>) -> Result<(), Error> {
        const OPERATION: &str = "DeleteObjects";
        if objects.is_empty() {
            return Ok(());
        }
        let unavailable = |reason: String| Error::Unavailable { service: SERVICE, operation: OPERATION, reason };
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(|error| unavailable(error.to_string()))?;
        let answer = self.0.delete_objects().bucket(bucket).delete(delete).send().await;
        let answer = answer.map_err(|error| Error::unavailable(SERVICE, OPERATION, &error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(error) => Err(unavailable(format!(
                "{}: {}",
                error.code().unwrap_or_default(),
                error.message().unwrap_or_default()
            ))),
        }
    }
}

fn identifier(key: &str, version_id: Option<&str>) -> Option<ObjectIdentifier> {
    ObjectIdentifier::builder().key(key).set_version_id(version_id.map(str::to_owned)).build().ok()
}
