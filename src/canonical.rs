//! Canonical texts: what the hashes of checkpoints, caches and plans are taken of. A change here makes all of them void.

use std::fmt::Display;

/// A float as TOML has it: the shortest digits that give the same number again, always with a point.
pub(crate) fn float<T: Display + PartialEq + Default>(value: T) -> String {
    // Without the sign of a zero.
    let text = if value == T::default() { "0".to_owned() } else { value.to_string() };
    // Numbers that are not finite have no point, and are no values of a spec.
    if text.contains(['.', 'N', 'i']) { text } else { format!("{text}.0") }
}

/// A text in quotes, as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{0}'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list, as TOML has it.
pub(crate) fn list<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    let items: Vec<String> = items.into_iter().map(text).collect();
    format!("[{}]", items.join(", "))
}

/// A value that may be missing.
pub(crate) fn optional<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "none".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_a_point_and_zero_no_sign() {
        assert_eq!([0.0f32, -0.0, 1.0, -2.5, 0.2].map(float), ["0.0", "0.0", "1.0", "-2.5", "0.2"]);
        assert_eq!(float(1e21f64), "1000000000000000000000.0");
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(float), ["NaN", "inf", "-inf"]);
    }

    proptest! {
        #[test]
        fn texts_are_what_toml_reads(text in any::<String>(), number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let written = format!("a = {}\nb = {}", quoted(&text), float(number));
            let table = toml::de::DeTable::parse(&written).unwrap();
            let [a, b] = ["a", "b"].map(|key| table.get_ref()[key].get_ref());
            prop_assert_eq!(a.as_str(), Some(&text[..]));
            prop_assert_eq!(b.as_float().unwrap().as_str().parse(), Ok(number));
        }
    }
}
