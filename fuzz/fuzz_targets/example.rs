//! Examples and SequenceExamples against prost: what it reads, the views read, with the same values; what it refuses, they
//! refuse once all is read. Builders write what prost would. Columns and JSON fail where the views do.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use tfrkit::Result;
use tfrkit::example::proto::{Feature, feature};
use tfrkit::example::{
    ColumnLayout, ColumnSpec, Example, ExampleBuilder, ExampleParser, ExampleView, FeatureView, Kind, SequenceEntry,
    SequenceExample, SequenceExampleBuilder, SequenceExampleView, Values, example_to_json,
};
use tfrkit_fuzz::message;

type Features = BTreeMap<String, Option<List>>;
type Lists = BTreeMap<String, Vec<Option<List>>>;

/// Floats by their bits, since there are NaNs.
#[derive(Debug, Clone, PartialEq)]
enum List {
    Bytes(Vec<Vec<u8>>),
    Float(Vec<u32>),
    Int64(Vec<i64>),
}

fuzz_target!(|data: &[u8]| {
    let payload = message::build(data);
    example(&payload);
    sequence(&payload);
});

fn example(payload: &[u8]) {
    let theirs = Example::decode(payload).map(|m| features_of(m.features.map(|f| f.feature)));
    let ours = read(payload);
    match (&ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, &theirs),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours {ours:?}, prost's {theirs:?}"),
    }
    assert_eq!(example_to_json(payload, |_| None).is_ok(), ours.is_ok());
    let Ok(ours) = ours else { return };
    for (key, list) in &ours {
        let found = ExampleView::new(payload).feature(key).expect("a feature of what was read");
        assert_eq!(found.map(|f| values(&f).expect("its values")), *list);
    }
    // Columns are of SequenceExamples as well, whose lists are unknown fields here.
    if read_sequence(payload).is_ok() {
        columns(payload, &ours);
    }
    round_trip(&ours);
}

fn read(payload: &[u8]) -> Result<Features> {
    let mut features = Features::new();
    let mut bad = None;
    ExampleView::new(payload).for_each(|key, feature| match feature.map(|f| values(&f)).transpose() {
        Ok(list) => drop(features.insert(key.to_owned(), list)),
        Err(error) => bad = Some(error),
    })?;
    bad.map_or(Ok(features), Err)
}

fn values(feature: &FeatureView<'_>) -> Result<List> {
    Ok(match feature.kind() {
        Kind::Bytes => List::Bytes(feature.bytes()?.map(|v| v.map(<[u8]>::to_vec)).collect::<Result<_>>()?),
        Kind::Float => List::Float(feature.floats()?.map(|v| v.map(f32::to_bits)).collect::<Result<_>>()?),
        Kind::Int64 => List::Int64(feature.int64s()?.collect::<Result<_>>()?),
    })
}

fn list_of(feature: Feature) -> Option<List> {
    Some(match feature.kind? {
        feature::Kind::BytesList(list) => List::Bytes(list.value.iter().map(|v| v.to_vec()).collect()),
        feature::Kind::FloatList(list) => List::Float(list.value.iter().map(|v| v.to_bits()).collect()),
        feature::Kind::Int64List(list) => List::Int64(list.value),
    })
}

fn features_of(features: Option<BTreeMap<String, Feature>>) -> Features {
    features.unwrap_or_default().into_iter().map(|(key, feature)| (key, list_of(feature))).collect()
}

fn sequence(payload: &[u8]) {
    let theirs = SequenceExample::decode(payload).map(|message| {
        let lists = message.feature_lists.map(|l| l.feature_list).unwrap_or_default();
        let lists: Lists =
            lists.into_iter().map(|(key, list)| (key, list.feature.into_iter().map(list_of).collect())).collect();
        (features_of(message.context.map(|f| f.feature)), lists)
    });
    let ours = read_sequence(payload);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours {ours:?}, prost's {theirs:?}"),
    }
    let Ok((context, lists)) = ours else { return };
    // Only steps of a kind can be built.
    let lists: BTreeMap<&String, Vec<Values>> = lists
        .iter()
        .filter_map(|(key, steps)| Some((key, steps.iter().map(|s| s.as_ref().map(built)).collect::<Option<_>>()?)))
        .collect();
    let context: Vec<(&String, Values)> =
        context.iter().filter_map(|(key, list)| Some((key, built(list.as_ref()?)))).collect();
    let builder = context.iter().fold(ExampleBuilder::new(), |b, (key, v)| b.values(key.as_str(), v));
    let builder = SequenceExampleBuilder::new().context(builder);
    let bytes = lists.iter().fold(builder, |b, (key, steps)| b.steps(key.as_str(), steps)).encode();
    let message = SequenceExample::decode(&bytes[..]).expect("what was built");
    let again = read_sequence(&bytes).expect("what was built");
    assert_eq!((again.0.len(), again.1.len()), (context.len(), lists.len()));
    assert_eq!(message.context.map(|f| f.feature.len()).unwrap_or_default(), context.len());
}

fn read_sequence(payload: &[u8]) -> Result<(Features, Lists)> {
    let (mut features, mut lists) = (Features::new(), Lists::new());
    let mut bad = None;
    SequenceExampleView::new(payload).for_each(|key, entry| match entry {
        SequenceEntry::Feature(feature) => match feature.map(|f| values(&f)).transpose() {
            Ok(list) => drop(features.insert(key.to_owned(), list)),
            Err(error) => bad = Some(error),
        },
        SequenceEntry::List(list) => {
            let steps: Result<Vec<Option<List>>> =
                list.steps().map(|step| step?.map(|f| values(&f)).transpose()).collect();
            match steps {
                Ok(steps) => {
                    assert_eq!(list.count().ok(), Some(steps.len()));
                    lists.insert(key.to_owned(), steps);
                }
                Err(error) => bad = Some(error),
            }
        }
    })?;
    bad.map_or(Ok((features, lists)), Err)
}

fn built(list: &List) -> Values {
    match list {
        List::Bytes(values) => Values::Bytes(values.iter().collect()),
        List::Float(values) => Values::Float(values.iter().map(|&bits| f32::from_bits(bits)).collect()),
        List::Int64(values) => Values::Int64(values.clone()),
    }
}

/// Of every feature with a kind, the column has its values.
fn columns(payload: &[u8], features: &Features) {
    let lists = features.iter().filter_map(|(key, list)| Some((key, built(list.as_ref()?)))).take(8);
    let lists: Vec<(&String, Values)> = lists.collect();
    let spec = |(key, values): &(&String, Values)| ColumnSpec::new(*key, values.kind(), ColumnLayout::VarLen);
    let parser = ExampleParser::new(lists.iter().map(spec).collect()).expect("names that differ");
    let Ok(columns) = parser.parse([payload, payload]) else { panic!("no columns of what was read") };
    for (column, (_, values)) in columns.iter().zip(&lists) {
        assert_eq!(column.values.len(), 2 * values.len());
        assert_eq!(column.row(1), values.len()..2 * values.len());
    }
}

/// What was read is built, and has the bytes that prost gives it.
fn round_trip(features: &Features) {
    let lists: Vec<(&String, Values)> =
        features.iter().filter_map(|(key, list)| Some((key, built(list.as_ref()?)))).collect();
    let bytes = lists.iter().fold(ExampleBuilder::new(), |b, (key, values)| b.values(key.as_str(), values)).encode();
    let message = Example::decode(&bytes[..]).expect("what was built");
    // prost leaves an empty name out of its entry; read, the two are the same.
    assert!(features.contains_key("") || message.encode_to_vec() == bytes, "other bytes than prost's");
    let wanted: Features =
        features.iter().filter(|(_, list)| list.is_some()).map(|(key, list)| (key.clone(), list.clone())).collect();
    assert_eq!(read(&bytes).expect("what was built"), wanted);
}
