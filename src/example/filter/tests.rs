use proptest::prelude::*;

use super::*;
use crate::example::ExampleBuilder;

fn payload() -> Vec<u8> {
    ExampleBuilder::new()
        .int64("image/class/label", 3)
        .text("image/class/text", "cat")
        .int64s("image/height", [224])
        .int64s("many", [1, 5, i64::MAX])
        .floats("score", [0.1, f32::NAN])
        .bytes_list("tags", [&b"a'b"[..], b"\\"])
        .int64s("none", [])
        .int64("odd name`", 7)
        .encode()
}

#[test]
fn conditions_hold_as_they_read() {
    for (text, expected) in [
        ("label == 3", true),
        ("image/class/label==3.0", true),
        ("label != 3", false),
        ("label < 3.5 && label > 2.5 && !(label == 2.5)", true),
        ("label in [1, 3]", true),
        ("label in [1, 2.5]", false),
        ("text == 'cat' || no_such == 1", true),
        ("text >= \"ca\" && text < 'd'", true),
        ("image/height >= 224", true),
        // Any value will do.
        ("many == 1 && many == 5 && many != 1", true),
        ("many == 9223372036854775807", true),
        // Would hold if integers were compared as floats.
        ("many == 9223372036854775808.0 || many >= 1e300", false),
        ("many > -1e300 && many < 1e300", true),
        // The float nearest to 0.1, and a value that compares with nothing.
        ("score == 0.1 && score != 0.1", true),
        ("score > 0.1 || score < 0.1", false),
        (r"tags == 'a\'b' && tags == '\\' && len(tags) == 2", true),
        ("tags == \"a'b\"", true),
        ("has(none) && len(none) == 0 && none != 1", false),
        ("has(none) && len(none) == 0", true),
        ("has(missing) || missing != 1", false),
        ("!has(missing) && len(missing) == 0", true),
        ("`odd name``` == 7", true),
        // `&&` binds closer, `!` closest.
        ("label == 3 || label == 4 && label == 5", true),
        ("(label == 3 || label == 4) && label == 5", false),
        ("!label == 4 && !!label == 3", true),
    ] {
        assert_eq!(Filter::parse(text).unwrap().matches(&payload()).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_feature_of_the_very_name_comes_first() {
    let payload = ExampleBuilder::new().int64("label", 1).int64("image/class/label", 2).encode();
    let matches = |text| Filter::parse(text).unwrap().matches(&payload).unwrap();
    assert!(matches("label == 1 && image/class/label == 2") && !matches("label == 2"));
}

#[test]
fn text_and_numbers_do_not_compare() {
    for (text, feature, part) in [
        ("text == 3", "image/class/text", "bytes values, and the filter compares it with a number"),
        ("label in ['3']", "image/class/label", "int64 values, and the filter compares it with text"),
        ("score > 'a'", "score", "float values"),
    ] {
        let error = Filter::parse(text).unwrap().matches(&payload()).unwrap_err();
        assert_eq!(error.kind_name(), "schema");
        assert!(error.to_string().contains(&format!("'{feature}'")) && error.to_string().contains(part), "{error}");
    }
    // What is decided before is not looked at.
    assert!(Filter::parse("label == 3 || text == 3").unwrap().matches(&payload()).unwrap());
    assert!(!Filter::parse("label == 4 && text == 3").unwrap().matches(&payload()).unwrap());
    assert!(Filter::parse("label == 3").unwrap().matches(b"no protobuf").is_err());
}

#[test]
fn errors_say_where_and_what_is_allowed() {
    for (text, expected) in [
        ("", "column 1 of the filter: found the end, expected a feature's name, has(, len(, ! or ("),
        ("  ", "column 3 of the filter: found the end, expected a feature's name, has(, len(, ! or ("),
        ("label", "column 6 of the filter: found the end, expected ==, !=, <, <=, >, >= or in"),
        ("label is 3", "column 7 of the filter: found 'is', expected ==, !=, <, <=, >, >= or in"),
        ("ä == b", "column 6 of the filter: found 'b', expected a number or text in quotes"),
        ("a == 1 & b == 2", "column 8 of the filter: found '&', expected &&, || or the end"),
        ("(a == 1", "column 8 of the filter: found the end, expected )"),
        ("a in [1; 2]", "column 8 of the filter: found ';', expected , or ]"),
        ("a in []", "column 7 of the filter: found ']', expected a number or text in quotes"),
        ("a in [1, 'b']", "column 10 of the filter: text and numbers in one list"),
        ("a == 99999999999999999999", "column 6 of the filter: '99999999999999999999' is no 64-bit integer"),
        ("a == 1e999", "column 6 of the filter: '1e999' is no decimal that a float holds"),
        ("a == 1x", "column 6 of the filter: '1x' is no 64-bit integer"),
        ("a == 'b", "column 6 of the filter: a ' that is not closed"),
        ("`a == 1", "column 1 of the filter: a ` that is not closed"),
        (r"a == 'b\n'", r"column 8 of the filter: a \ that stands before no quote and no other \"),
        ("has()", "column 5 of the filter: found ')', expected a feature's name"),
        ("len(a) in [1]", "column 8 of the filter: found 'in', expected ==, !=, <, <=, > or >="),
        ("len(a) == 'b'", "column 11 of the filter: a length is compared with an integer"),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.kind_name(), error.to_string().as_str()), ("usage", expected), "{text}");
    }
}

#[test]
fn hostile_texts_are_refused() {
    for (text, part) in [
        ("(".repeat(1_000_000), "column 65 of the filter: nested deeper than 64"),
        ("!".repeat(1_000_000), "nested deeper"),
        ((0..33).map(|i| format!("a{i} == 1")).collect::<Vec<_>>().join(" && "), "more than 32 features"),
    ] {
        let error = Filter::parse(&text).unwrap_err().to_string();
        assert!(error.contains(part) && error.len() < 200, "{error}");
    }
    // Long is not deep.
    Filter::parse(&vec!["a == 1"; 10_000].join(" || ")).unwrap();
}

/// The text of a condition: what a person may type, blanks and all.
fn condition() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_/.:]{0,8}",
        "`[ -_a-~]{0,6}`",
        Just("label".to_owned()),
        Just("`has`".to_owned())
    ];
    let literal = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
    ];
    let text = prop_oneof![r#"'[ -&(-\[\]-~]{0,6}'"#, r#""(\\\\|\\"|\\'|[a-zä ]){0,4}""#];
    let test = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let list = prop::collection::vec(literal.clone(), 1..4).prop_map(|list| format!("[{}]", list.join(" ,")));
    let simple = prop_oneof![
        (name.clone(), test.clone(), prop_oneof![literal, text]).prop_map(|(n, t, l)| format!("{n} {t}{l}")),
        (name.clone(), list).prop_map(|(n, list)| format!("{n} in {list}")),
        name.clone().prop_map(|n| format!("has ( {n} )")),
        (name, test, any::<u8>()).prop_map(|(n, t, len)| format!("len({n}){t}{len}")),
    ];
    simple.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("( {a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}&&{b}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} ||({b})")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(text in condition()) {
        let filter = Filter::parse(&text).unwrap();
        let shown = filter.to_string();
        let again = Filter::parse(&shown).unwrap();
        prop_assert_eq!(&again, &filter, "{}", shown);
        prop_assert_eq!(again.to_string(), shown);
    }

    #[test]
    fn no_text_is_too_odd(text in "[-a(`'\"!|&=<>\\[\\]\\\\ 1.e,inhasl]{0,40}") {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
}
