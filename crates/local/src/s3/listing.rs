//! Listing a bucket in key order, with keys that contain a delimiter rolled up into common prefixes.

use rusqlite::Connection;

use super::error::Result;
use super::index::{OBJECT_COLUMNS, object, require_bucket};
use super::object::Object;
use super::store::Store;

/// The parameters of a listing; see <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Roll up keys that have it after the prefix; never empty.
    pub delimiter: Option<&'a str>,
    /// Only keys and common prefixes that sort after it.
    pub after: &'a str,
    /// The maximum number of keys and common prefixes.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and their objects, in the order of the keys' UTF-8 bytes.
    pub objects: Vec<(String, Object)>,
    /// Common prefixes, in the same order.
    pub common_prefixes: Vec<String>,
    /// [`Query::after`] of the next page, when there is more.
    pub next: Option<String>,
}

impl Store {
    /// Lists a page.
    ///
    /// # Errors
    /// [`super::StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn list(&self, query: Query<'_>) -> Result<Page> {
        self.database.read(|index| {
            require_bucket(index, query.bucket)?;
            self.page(index, query)
        })
    }

    fn page(&self, index: &Connection, query: Query<'_>) -> Result<Page> {
        let mut page = Page::default();
        if query.limit == 0 {
            return Ok(page);
        }
        let end = prefix_successor(query.prefix);
        let mut from = first_key(query);
        let mut last = None;
        // Each iteration reads up to the next common prefix and continues after it, without reading the keys below it.
        while let Some(start) = from.take() {
            let mut statement = index.prepare_cached(&format!(
                "SELECT {OBJECT_COLUMNS}, key FROM objects
                 WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key",
            ))?;
            let mut rows = statement.query((query.bucket, start, &end))?;
            while let Some(row) = rows.next()? {
                if page.objects.len() + page.common_prefixes.len() == query.limit {
                    page.next = last;
                    return Ok(page);
                }
                let key: String = row.get("key")?;
                if let Some(common) = common_prefix(&key, query) {
                    from = prefix_successor(common);
                    last = Some(common.to_owned());
                    page.common_prefixes.push(common.to_owned());
                    break;
                }
                last = Some(key.clone());
                page.objects.push((key, object(row, &self.dir)?));
            }
        }
        Ok(page)
    }
}

/// Returns the smallest key that may be listed, if any: after a common prefix, the first key that is not below it.
fn first_key(query: Query<'_>) -> Option<String> {
    let from = if query.after.is_empty() {
        String::new()
    } else if common_prefix(query.after, query) == Some(query.after) {
        prefix_successor(query.after)?
    } else {
        // Nothing sorts between a string and the same string followed by a NUL.
        format!("{}\0", query.after)
    };
    Some(from.max(query.prefix.to_owned()))
}

fn common_prefix<'a>(key: &'a str, query: Query<'_>) -> Option<&'a str> {
    let delimiter = query.delimiter?;
    let rest = key.strip_prefix(query.prefix)?;
    let position = rest.find(delimiter)?;
    key.get(..query.prefix.len() + position + delimiter.len())
}

/// Returns the smallest string that sorts after every string with this prefix, if there is one.
fn prefix_successor(prefix: &str) -> Option<String> {
    let mut successor = prefix.to_owned();
    while let Some(last) = successor.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            successor.push(next);
            return Some(successor);
        }
    }
    None
}
