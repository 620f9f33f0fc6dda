//! JSON lines: an object for each image.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use super::columns::refuse_name;
use super::{FILENAME, LONGEST_ROW, PATH_NAMES, Row, Table, value};
use crate::error::{Error, Result};

const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(list: &Path, table: &mut Table<'_>) -> Result<()> {
    let mut reader = BufReader::new(File::open(list).map_err(|e| Error::io(list, e))?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let length = (&mut reader).take(LONGEST_ROW).read_until(b'\n', &mut bytes).map_err(|e| Error::io(list, e))?;
        if length == 0 {
            break;
        }
        if length as u64 == LONGEST_ROW {
            return Err(table.error(
                line,
                format!("the line is over {} MiB", LONGEST_ROW >> 20),
                "write an object a line",
            ));
        }
        let text = bytes.strip_prefix(BOM).filter(|_| line == 1).unwrap_or(&bytes).trim_ascii();
        if text.is_empty() {
            continue;
        }
        let Object(entries) = serde_json::from_slice(text).map_err(|e| {
            let at = e.column();
            // serde_json says the line too, which is always its first.
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            table.error(line, format!("column {at}: {what}"), "each line is a JSON object, its strings in UTF-8")
        })?;
        let row = row(entries, line, table)?;
        table.add(row)?;
    }
    Ok(())
}

fn row(entries: Vec<(String, Value)>, line: u64, table: &mut Table<'_>) -> Result<Row> {
    let path = PATH_NAMES.iter().find(|name| entries.iter().any(|(key, _)| key == *name));
    let Some(path) = path else {
        return Err(table.error(line, "no key names the image", "that of the image is called 'path'"));
    };
    let beside_label = entries.iter().any(|(key, _)| key == "label");
    let mut row = Row { line, ..Row::default() };
    for (key, value) in entries {
        match key.as_str() {
            key if key == *path => row.path = text(&value, key, line, table)?.unwrap_or_default(),
            "text" => row.text = text(&value, &key, line, table)?,
            "split" => row.split = text(&value, &key, line, table)?,
            FILENAME => row.filename = text(&value, &key, line, table)?,
            key if key == "label" || key == "class" && table.class_is_label(beside_label, line)? => {
                row.label = value::label(&value).map_err(|problem| table.error(line, problem, value::LABEL_HINT))?;
            }
            "boxes" => {
                row.boxes = serde_json::from_value(value).map_err(|e| {
                    let hint = "boxes are a list of {\"xmin\", \"ymin\", \"xmax\", \"ymax\", \"label\", \"text\"}";
                    table.error(line, format!("key 'boxes': {e}"), hint)
                })?;
            }
            name => {
                if let Some((detail, hint)) = refuse_name(name) {
                    return Err(table.error(line, detail, hint));
                }
                let found = value::feature(&value);
                let found = found.map_err(|e| table.error(line, format!("key '{name}': {e}"), value::FEATURE_HINT))?;
                if let Some((values, look)) = found {
                    row.features.push((table.note(name, look, line), values));
                }
            }
        }
    }
    Ok(row)
}

/// A string; `None` for null and the empty one.
fn text(value: &Value, key: &str, line: u64, table: &Table<'_>) -> Result<Option<Box<str>>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok((!text.is_empty()).then(|| text.as_str().into())),
        other => Err(table.error(line, format!("key '{key}': {other} is no string"), "write it as a string")),
    }
}

/// An object's entries; a key that comes twice is an error, not the loss of one value.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let (mut entries, mut seen) = (Vec::new(), HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("the key '{key}' is there twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
