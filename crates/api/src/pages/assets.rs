//! The style sheets, modules and texts of the pages.
//!
//! Their URLs contain a hash of all of them. So browsers may keep them for a year, a page never mixes two versions, and
//! modules import each other by relative paths.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{KnownTags, unless_known};
use crate::error::Error;

macro_rules! assets {
    ($($name:literal)*) => {
        &[$(Asset { name: $name, content: include_str!(concat!("../../pages/assets/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "admin.css" "admin.en.json" "admin.es.json" "admin.js" "csv.js" "details.js" "dialog.js" "link.js" "links.js"
    "page.css" "page.js" "parts.js" "persist.js" "progress.js" "question.js" "recorder.js" "rows.js" "sender.js"
    "stage.js" "store.js" "target.js" "transfer.js" "upload.css" "upload.en.json" "upload.es.json" "upload.js"
    "videos.js"
};

/// The hash of all assets, made when a page is first requested: most processes only issue forms.
pub static HASH: LazyLock<String> = LazyLock::new(|| hash(ASSETS.iter().flat_map(|asset| [asset.name, asset.content])));

struct Asset {
    name: &'static str,
    content: &'static str,
}

impl Asset {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "application/json",
        }
    }
}

/// Handles `GET /assets/{hash}/{name}`.
///
/// A page that was loaded just before a deployment requests an older hash. It gets the current file, which most likely
/// fits, but must not keep it under that URL.
pub async fn asset(path: Result<Path<(String, String)>, PathRejection>, known: KnownTags) -> Result<Response, Error> {
    let named = |name: &str| ASSETS.iter().find(|asset| asset.name == name);
    let found = path.ok().and_then(|Path((hash, name))| named(&name).map(|asset| (hash, asset)));
    let (hash, asset) = found.ok_or(Error::NotFound("there is nothing at this path"))?;
    let cache = if hash == *HASH { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers = [(CONTENT_TYPE, asset.content_type()), (CACHE_CONTROL, cache)];
    Ok((headers, unless_known(&HASH, known, asset.content)).into_response())
}

/// Returns 16 hexadecimal digits that change with any of the texts.
pub fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
        digest.update([0]);
    }
    let start = digest.finalize().iter().take(8).fold(0_u64, |start, byte| start << 8 | u64::from(*byte));
    format!("{start:016x}")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const PAGES: [(&str, &str); 2] =
        [("upload", include_str!("../../pages/upload.html")), ("admin", include_str!("../../pages/admin.html"))];

    fn content(name: &str) -> &'static str {
        ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("{name} is an asset")).content
    }

    fn texts(page: &str, language: &str) -> BTreeMap<String, String> {
        serde_json::from_str(content(&format!("{page}.{language}.json"))).unwrap()
    }

    /// Returns what stands between each `start` and the quote that follows it.
    fn quoted<'a>(text: &'a str, start: &str, quote: char) -> Vec<&'a str> {
        text.split(start).skip(1).filter_map(|rest| rest.split(quote).next()).collect()
    }

    /// Returns the style sheets and modules that a document links.
    fn linked(html: &str) -> Vec<&str> {
        quoted(html, "=\"assets/", '"')
    }

    #[test]
    fn every_file_of_the_directory_is_an_asset() {
        let directory = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/assets")).unwrap();
        let files: BTreeSet<_> = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, ASSETS.iter().map(|asset| asset.name.to_owned()).collect());
    }

    #[test]
    fn the_hash_changes_with_names_and_contents() {
        assert_eq!(HASH.len(), 16);
        assert_ne!(hash(["a.js", "x"]), hash(["a.js", "y"]));
        assert_ne!(hash(["a.js", "x"]), hash(["a.j", "sx"]));
    }

    /// So nothing but the texts is fetched after the document and what it links, until a task that is rare needs more.
    #[test]
    fn every_imported_module_is_linked_in_the_head() {
        for (page, html) in PAGES {
            let linked = linked(html);
            for name in &linked {
                let rare = quoted(content(name), " import('./", '\'');
                for importer in rare.into_iter().chain([*name]) {
                    for import in quoted(content(importer), " from './", '\'') {
                        assert!(linked.contains(&import), "{page}.html preloads {import}, which {importer} imports");
                    }
                }
            }
        }
    }

    #[test]
    fn english_and_spanish_have_the_same_texts_with_the_same_values() {
        let values = |text: &str| -> BTreeSet<String> {
            text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).map(str::to_owned).collect()
        };
        for (page, _) in PAGES {
            let [english, spanish] = ["en", "es"].map(|language| {
                texts(page, language).iter().map(|(key, text)| (key.clone(), values(text))).collect::<BTreeMap<_, _>>()
            });
            assert_eq!(english, spanish, "{page}");
            assert!(english.len() > 50);
        }
    }

    #[test]
    fn every_text_is_used() {
        for (page, html) in PAGES {
            // Some modules are loaded only once they are needed, and so linked by none.
            let modules = ASSETS
                .iter()
                .filter(|asset| asset.content_type().starts_with("text/javascript"))
                .map(|asset| asset.content);
            let sources = modules.chain([html]);
            let words: BTreeSet<_> =
                sources.flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric())).collect();
            for key in texts(page, "en").keys() {
                // `${name}Of` and the like are put together where they are used.
                let mut stems = ["Of", "Rule", "Text"].into_iter().filter_map(|end| key.strip_suffix(end));
                let is_used = words.contains(key.as_str()) || stems.any(|stem| words.contains(stem));
                assert!(is_used, "{page}: {key}");
            }
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_or_marked_up_from_text() {
        let documents = PAGES.iter().map(|(_, html)| html.replace("xmlns='http://www.w3.org/2000/svg'", ""));
        for text in ASSETS.iter().map(|asset| asset.content.to_owned()).chain(documents) {
            for forbidden in [
                "http:",
                "https:",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "localStorage",
                "sessionStorage",
                "document.cookie",
                "<style",
                "<script>",
                " style=",
            ] {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
        }
    }
}
