//! Changes as JSON.

use serde::Serialize;

use crate::error::Error;
use crate::helper::{Change, Kind, Side, percent};
use crate::render::json::json;

/// A change as an object. A path that is not UTF-8 cannot be in `path` as it is (there it has replacement characters);
/// then `path_encoded` has all its bytes, percent-encoded; likewise `from`.
#[derive(Debug, Serialize)]
pub struct Object {
    change: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_encoded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_encoded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    kind: Kind,
    /// In octal digits, as chmod(1) takes it.
    mode: String,
    uid: u32,
    gid: u32,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

impl From<&Side> for Entry {
    fn from(side: &Side) -> Self {
        Self {
            kind: side.kind,
            mode: format!("{:04o}", side.mode),
            uid: side.uid,
            gid: side.gid,
            size: side.size,
            device: side.device.clone(),
        }
    }
}

impl From<&Change> for Object {
    fn from(change: &Change) -> Self {
        let (path, path_encoded) = percent::text(&change.path);
        let (from, from_encoded) = change.from.as_deref().map(percent::text).unzip();
        Self {
            change: change.letters.clone(),
            path,
            path_encoded,
            from,
            from_encoded: from_encoded.flatten(),
            shadowed: change.shadowed,
            old: change.old.as_ref().map(Entry::from),
            new: change.new.as_ref().map(Entry::from),
        }
    }
}

/// An array of objects.
pub fn array(objects: &[Object]) -> Result<String, Error> {
    json(&objects)
}
