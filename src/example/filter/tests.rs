use proptest::prelude::*;

use super::*;
use crate::example::{ExampleBuilder, SequenceExampleBuilder};

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
        ("text ^= 'c' && text $= 'at' && text *= 'a' && text *= ''", true),
        ("text ^= 'at' || text $= 'ca' || text *= 'ta' || text ^= 'cats'", false),
        ("tags *= \"'b\" && tags ^= '\\\\'", true),
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
        ("image/height in ['3']", "image/height", "int64 values, and the filter compares it with text"),
        ("many ^= '3'", "many", "int64 values, and the filter compares it with text"),
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
        ("label", "column 6 of the filter: found the end, expected ==, !=, <, <=, >, >=, ^=, $=, *= or in"),
        ("label is 3", "column 7 of the filter: found 'is', expected ==, !=, <, <=, >, >=, ^=, $=, *= or in"),
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
        ("a ^= 3", "column 6 of the filter: ^= compares text, which stands in quotes"),
        ("a *= ", "column 6 of the filter: found the end, expected text in quotes"),
        ("len(a) ^= 'b'", "column 8 of the filter: found '^', expected ==, !=, <, <=, > or >="),
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

#[test]
fn labels_compare_with_the_names_of_classes() {
    let classes = || vec!["dress".to_owned(), "hat".to_owned(), "cap".to_owned()];
    let matches = |text: &str, label: i64| {
        let filter = Filter::parse(text).unwrap().with_classes(5, classes());
        filter.matches(&ExampleBuilder::new().int64("image/class/label", label).encode())
    };
    for (text, label, expected) in [
        ("label == 'hat'", 6, true),
        ("label == 'hat'", 5, false),
        ("image/class/label in ['cap', 'hat']", 7, true),
        ("label ^= 'ca' && label == 7", 7, true),
        ("label != 'hat'", 7, true),
        ("label != 'hat'", 6, false),
        // A number that is no class has no name, which is another one than any.
        ("label != 'hat'", 99, true),
        ("label == 'hat' || label *= ''", -1, false),
    ] {
        assert_eq!(matches(text, label).unwrap(), expected, "{text} of {label}");
    }
    let error = matches("label == 'hta'", 6).unwrap_err();
    assert_eq!((error.kind_name(), error.to_string().as_str()), ("usage", "there is no class 'hta'"));
    assert_eq!(error.hint().as_deref(), Some("did you mean 'hat'? the classes are: dress, hat, cap"));
    // A label that is a text is compared as it is.
    let text = ExampleBuilder::new().text("label", "hta").encode();
    assert!(Filter::parse("label == 'hta'").unwrap().with_classes(5, classes()).matches(&text).unwrap());
}

#[test]
fn without_classes_the_name_in_the_record_counts() {
    let record = ExampleBuilder::new()
        .int64("image/class/label", 3)
        .text("image/class/text", "cat")
        .int64s("image/object/class/label", [1, 2])
        .bytes_list("image/object/class/text", [&b"ear"[..], b"tail"])
        .encode();
    let matches = |text: &str| Filter::parse(text).unwrap().matches(&record).unwrap();
    assert!(matches("label == 'cat' && image/class/label ^= 'c' && image/object/class/label == 'tail'"));
    assert!(!matches("label == 'dog' || image/object/class/label == 'cat'"));
    let error = Filter::parse("label == 'a'").unwrap().matches(&ExampleBuilder::new().int64("label", 1).encode());
    assert!(error.unwrap_err().to_string().contains("no file beside the shards names the classes"));
}

#[test]
fn the_key_changes_with_the_meaning() {
    let key = |text: &str, first: i64, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Filter::parse(text).unwrap().with_classes(first, names).key()
    };
    let hat = "label == 'hat'";
    assert_eq!(key(hat, 0, &["hat"]), key("label==\"hat\"", 0, &["hat"]));
    for other in [key(hat, 1, &["hat"]), key(hat, 0, &["hat", "cap"]), Filter::parse(hat).unwrap().key()] {
        assert_ne!(key(hat, 0, &["hat"]), other);
    }
    // Classes that are not asked for change nothing.
    assert_eq!(key("label == 3", 0, &["hat"]), Filter::parse("label == 3").unwrap().key());
    // A change of this number is right where a text means something else than before.
    assert_eq!(Filter::parse("label == 3").unwrap().key(), "2 label == 3");
}

#[test]
fn feature_lists_are_the_values_of_all_their_steps() {
    let record = SequenceExampleBuilder::new()
        .context(ExampleBuilder::new().text("id", "a").int64("both", 1))
        .int64_steps("tokens", [vec![1, 5], vec![], vec![9]])
        .bytes_steps("words", [[&b"un"[..]], [b"deux"]])
        .int64_steps("both", [[2], [3]])
        .float_steps("none", [[0.0; 0]; 0])
        .encode();
    for (text, expected) in [
        ("id == 'a' && tokens == 5 && tokens == 9 && words ^= 'de'", true),
        ("tokens == 2 || tokens > 9 || words == 'trois'", false),
        ("tokens in [8, 9] && len(tokens) == 3 && has(tokens)", true),
        // The context comes first.
        ("both == 1 && len(both) == 1", true),
        ("both == 2", false),
        ("has(none) && len(none) == 0 && !(none == 0)", true),
        ("has(missing) || len(missing) != 0", false),
    ] {
        assert_eq!(Filter::parse(text).unwrap().matches(&record).unwrap(), expected, "{text}");
    }
    let error = Filter::parse("words == 3").unwrap().matches(&record).unwrap_err();
    assert!(error.to_string().contains("'words' has bytes values"), "{error}");
}

#[test]
fn a_feature_that_no_record_has_is_told_of() {
    let records = [
        ExampleBuilder::new().int64("image/class/label", 1).int64("height", 9).encode(),
        SequenceExampleBuilder::new().int64_steps("tokens", [[1]]).encode(),
    ];
    let check = |text: &str, records: &[Vec<u8>]| {
        let filter = Filter::parse(text).unwrap();
        let sought = Sought::new(&filter);
        for record in records {
            sought.matches(&filter, record).unwrap();
        }
        sought.check("record")
    };
    for good in ["label == 1", "tokens == 1 && height == 9", "has(typo) || !has(typo)"] {
        assert!(check(good, &records).is_ok(), "{good}");
    }
    let error = check("hieght == 9 || label == 1", &records).unwrap_err();
    assert_eq!((error.kind_name(), error.to_string().as_str()), ("usage", "no record has a feature 'hieght'"));
    assert_eq!(
        error.hint().as_deref(),
        Some("did you mean 'height'? the features are: height, image/class/label, tokens")
    );
    assert!(check("len(typo) == 0", &records).is_err());
    // Where there is no record, nothing is known of any feature.
    assert!(check("typo == 1", &[]).is_ok());
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
    let of_text = prop::sample::select(vec!["^=", "$=", "*="]);
    let list = prop::collection::vec(literal.clone(), 1..4).prop_map(|list| format!("[{}]", list.join(" ,")));
    let simple = prop_oneof![
        (name.clone(), of_text, text.clone()).prop_map(|(n, t, l)| format!("{n}{t} {l}")),
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
