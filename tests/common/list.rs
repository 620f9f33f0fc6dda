//! Reads the list that `tfr extract` writes, as its format says, and makes the records again.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tfrkit::example::ExampleBuilder;
use tfrkit::image::{Limits, probe_header};

/// The rows of `manifest.jsonl` or `manifest.csv`.
pub fn rows(dir: &Path) -> Vec<Map<String, Value>> {
    match fs::read_to_string(dir.join("manifest.jsonl")) {
        Ok(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Err(_) => csv_rows(&fs::read_to_string(dir.join("manifest.csv")).unwrap()),
    }
}

/// The records of the rows.
pub fn records(dir: &Path) -> Vec<Vec<u8>> {
    rows(dir).iter().map(|row| record(dir, row)).collect()
}

/// The record that a row stands for.
fn record(dir: &Path, row: &Map<String, Value>) -> Vec<u8> {
    let path = row["path"].as_str().unwrap();
    let image = fs::read(dir.join(path)).unwrap();
    let probe = probe_header(&image, &Limits::default()).unwrap();
    let sha256: String = Sha256::digest(&image).iter().map(|b| format!("{b:02x}")).collect();
    let mut example = ExampleBuilder::new()
        .int64("image/channels", probe.channels as i64)
        .text("image/colorspace", probe.colorspace.name())
        .bytes("image/encoded", &image)
        .text("image/filename", path)
        .text("image/format", probe.format.to_string())
        .int64("image/height", probe.height as i64)
        .text("image/key/sha256", sha256)
        .int64("image/width", probe.width as i64);
    for (name, value) in row {
        example = match name.as_str() {
            "path" | "split" => example,
            "label" => example.int64("image/class/label", value.as_i64().unwrap()),
            "text" => example.text("image/class/text", value.as_str().unwrap()),
            "boxes" => boxes(example, value.as_array().unwrap()),
            _ => feature(example, name, value),
        };
    }
    example.encode()
}

fn boxes<'a>(mut example: ExampleBuilder<'a>, boxes: &[Value]) -> ExampleBuilder<'a> {
    let column = |key: &str| -> Vec<&Value> { boxes.iter().filter_map(|one| one.get(key)).collect() };
    for side in ["xmin", "ymin", "xmax", "ymax"] {
        let values = column(side).into_iter().map(|v| v.as_f64().unwrap() as f32);
        example = example.floats(format!("image/object/bbox/{side}"), values);
    }
    let (labels, texts) = (column("label"), column("text"));
    if boxes.is_empty() || !labels.is_empty() {
        example = example.int64s("image/object/class/label", labels.iter().map(|v| v.as_i64().unwrap()));
    }
    if boxes.is_empty() || !texts.is_empty() {
        let texts = texts.iter().map(|v| v.as_str().unwrap().as_bytes().to_vec());
        example = example.bytes_list("image/object/class/text", texts);
    }
    example
}

fn feature<'a>(example: ExampleBuilder<'a>, name: &str, value: &Value) -> ExampleBuilder<'a> {
    let name = name.to_owned();
    let (kind, values) = match value {
        Value::Object(kinds) => {
            let (kind, values) = kinds.iter().next().unwrap();
            (kind.as_str(), values.as_array().unwrap().clone())
        }
        Value::Array(values) => (kind_of(&values[0]), values.clone()),
        one => (kind_of(one), vec![one.clone()]),
    };
    match kind {
        "int64" => example.int64s(name, values.iter().map(|v| v.as_i64().unwrap())),
        "float" => example.floats(name, values.iter().map(float)),
        _ => example.bytes_list(name, values.iter().map(bytes)),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float",
        _ => "bytes",
    }
}

fn float(value: &Value) -> f32 {
    value.as_f64().map_or_else(|| value.as_str().unwrap().parse().unwrap(), |v| v as f32)
}

fn bytes(value: &Value) -> Vec<u8> {
    let Some(base64) = value.get("base64") else { return value.as_str().unwrap().into() };
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<usize> = base64.as_str().unwrap().chars().filter_map(|c| digits.find(c)).collect();
    let group = |four: &[usize]| {
        let all = (0..4).fold(0, |all, i| all << 6 | four.get(i).unwrap_or(&0));
        (0..four.len() - 1).map(move |i| (all >> (16 - 8 * i)) as u8)
    };
    bits.chunks(4).flat_map(group).collect()
}

/// CSV to the rows that the same list has as JSON lines: the kind of a column is told by all its cells.
fn csv_rows(text: &str) -> Vec<Map<String, Value>> {
    let mut table = parse_csv(text).into_iter();
    let header = table.next().unwrap();
    let table: Vec<Vec<String>> = table.collect();
    let mut columns: BTreeMap<usize, fn(&str) -> Value> = BTreeMap::new();
    for (at, name) in header.iter().enumerate() {
        let all = |test: fn(&str) -> bool| table.iter().all(|row| row[at].is_empty() || test(&row[at]));
        let parse: fn(&str) -> Value = match name.as_str() {
            "boxes" => |s| serde_json::from_str(s).unwrap(),
            "path" | "split" | "text" => |s| json!(s),
            _ if all(|s| s.parse::<i64>().is_ok()) => |s| json!(s.parse::<i64>().unwrap()),
            _ if all(|s| s.parse::<f64>().is_ok()) => |s| json!(s.parse::<f64>().unwrap()),
            _ => |s| json!(s),
        };
        columns.insert(at, parse);
    }
    let row = |cells: &Vec<String>| {
        let there = columns.iter().filter(|(at, _)| !cells[**at].is_empty());
        there.map(|(at, parse)| (header[*at].clone(), parse(&cells[*at]))).collect()
    };
    table.iter().map(row).collect()
}

fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    rows
}
