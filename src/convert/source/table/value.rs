//! JSON values as labels and as features.

use serde_json::Value;

use super::columns::Look;
use crate::example::{ByteStrings, Values, from_base64};

pub(super) const LABEL_HINT: &str = "a label is a class number or a class name";
pub(super) const FEATURE_HINT: &str = "a feature is a number, a string, true or false, a list of one of these, or {\"int64\": [..]}, {\"float\": [..]}, \
     {\"bytes\": [..]}";

/// A class number or name as text; `None` for null and the empty string.
pub(super) fn label(value: &Value) -> Result<Option<Box<str>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) => Ok((!name.is_empty()).then(|| name.as_str().into())),
        Value::Number(number) if number.is_i64() => Ok(Some(number.to_string().into())),
        other => Err(format!("{other} is no label")),
    }
}

/// A feature's values and their look; `None` for null.
pub(super) fn feature(value: &Value) -> Result<Option<(Values, Look)>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Array(values) => plain(values).map(Some),
        Value::Object(object) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((kind, Value::Array(values))), None) => explicit(kind, values).map(Some),
                _ => Err("an object that is no list of int64, float or bytes".to_owned()),
            }
        }
        one => plain(std::slice::from_ref(one)).map(Some),
    }
}

/// A list whose kind its values tell.
fn plain(values: &[Value]) -> Result<(Values, Look), String> {
    let Some(first) = values.first() else { return Ok((Values::Int64(Vec::new()), Look::Empty)) };
    match first {
        Value::String(_) => {
            let texts = values.iter().map(|v| v.as_str().ok_or_else(|| format!("{v} in a list of strings")));
            Ok((Values::Bytes(texts.collect::<Result<_, _>>()?), Look::Bytes))
        }
        _ if values.iter().all(|v| v.is_boolean() || v.is_i64() || v.is_u64()) => {
            Ok((Values::Int64(int64s(values)?), Look::Int64))
        }
        _ => Ok((Values::Float(floats(values)?), Look::Float)),
    }
}

/// A list whose kind is said.
fn explicit(kind: &str, values: &[Value]) -> Result<(Values, Look), String> {
    match kind {
        "int64" => Ok((Values::Int64(int64s(values)?), Look::ExactInt64)),
        "float" => Ok((Values::Float(floats(values)?), Look::Float)),
        "bytes" => {
            let mut strings = ByteStrings::default();
            for value in values {
                match (value, value.get("base64").and_then(Value::as_str)) {
                    (Value::String(text), _) => strings.push(text.as_bytes()),
                    (_, Some(text)) => {
                        strings.push(&from_base64(text).ok_or_else(|| format!("'{text:.20}' is no base64"))?);
                    }
                    _ => return Err(format!("{value} in a list of bytes")),
                }
            }
            Ok((Values::Bytes(strings), Look::Bytes))
        }
        other => Err(format!("'{other}' is no kind of feature")),
    }
}

fn int64s(values: &[Value]) -> Result<Vec<i64>, String> {
    let int64 = |value: &Value| {
        let int64 = value.as_i64().or_else(|| value.as_bool().map(i64::from));
        int64.ok_or_else(|| format!("{value} is no int64"))
    };
    values.iter().map(int64).collect()
}

fn floats(values: &[Value]) -> Result<Vec<f32>, String> {
    let float = |value: &Value| match value {
        Value::String(text) if matches!(text.as_str(), "NaN" | "inf" | "-inf") => text.parse().ok(),
        // Through the shortest decimal, which is that of the f32 where it was one.
        Value::Number(number) => number.to_string().parse::<f32>().ok().filter(|v| v.is_finite()),
        _ => None,
    };
    values.iter().map(|value| float(value).ok_or_else(|| format!("{value} is no float"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_has_its_kind() {
        let bytes = |strings: &[&[u8]]| Values::Bytes(strings.iter().collect());
        for (value, expected) in [
            (json!(null), None),
            (json!(3), Some((Values::Int64(vec![3]), Look::Int64))),
            (json!([true, 2]), Some((Values::Int64(vec![1, 2]), Look::Int64))),
            (json!(0.1), Some((Values::Float(vec![0.1]), Look::Float))),
            (json!([1, 2.5]), Some((Values::Float(vec![1.0, 2.5]), Look::Float))),
            (json!("x"), Some((bytes(&[b"x"]), Look::Bytes))),
            (json!([]), Some((Values::Int64(vec![]), Look::Empty))),
            (json!({"float": [1, "-inf"]}), Some((Values::Float(vec![1.0, f32::NEG_INFINITY]), Look::Float))),
            (json!({"int64": []}), Some((Values::Int64(vec![]), Look::ExactInt64))),
            (json!({"bytes": ["a", {"base64": "/wA="}]}), Some((bytes(&[b"a", &[0xff, 0]]), Look::Bytes))),
        ] {
            assert_eq!(feature(&value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_has_no_kind_is_refused() {
        for bad in [
            json!([1, "a"]),
            json!(["a", 1]),
            json!([[1]]),
            json!({"int64": [1.5]}),
            json!({"int32": [1]}),
            json!({"int64": [1], "float": [1]}),
            json!({"bytes": [{"base64": "?"}]}),
            json!({"float": ["x"]}),
            json!(1e300),
            json!(u64::MAX),
        ] {
            assert!(feature(&bad).is_err(), "{bad}");
        }
        assert!(label(&json!(1.0)).is_err());
        assert_eq!(label(&json!(-1)), Ok(Some("-1".into())));
    }
}
