//! What the fuzz targets have found, a test for each find.

#[path = "common/allocations.rs"]
mod allocations;

use allocations::peak;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use tfrkit::Job;
use tfrkit::example::Schema;
use tfrkit::image::{
    DecodeOptions, Decoder, ImageBuf, Limits, Shape, Truncated, decode_any, encode_jpeg, probe_header, verify_entropy,
};
use tfrkit::inspect::repair_stream;
use tfrkit::record::Writer;

/// A TIFF of 2 x 2 gray pixels, whose sample format is a tag of so many values.
fn tiff(values: u32) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let short = |tag, value| entry(tag, 3, 1, value);
    let entries = [
        short(256, 2),
        short(257, 2),
        short(258, 8),
        short(259, 1),
        short(262, 1),
        entry(273, 4, 1, 134),
        short(277, 1),
        short(278, 2),
        entry(279, 4, 1, 4),
        entry(339, 3, values, 1),
    ];
    [b"II*\0\x08\0\0\0\x0a\0", &entries.concat()[..], &[0; 4], &[7; 4]].concat()
}

#[test]
fn a_tiff_tag_of_more_values_than_there_are_bytes_takes_no_memory() {
    let limits = Limits::default();
    assert_eq!(decode_any(&tiff(1), &limits).unwrap().pixels(), [7; 4]);
    let (most, _, done) = peak(|| decode_any(&tiff(500_000), &limits));
    let error = done.unwrap_err();
    assert!(error.is_truncated() && error.to_string().contains("a tag has more values"), "{error}");
    assert!(most < 1 << 20, "{most} bytes");
}

/// The sample format gives way to a second width, of 1 pixel.
#[test]
fn of_two_tiff_tags_the_probe_takes_the_decoders() {
    let limits = Limits::default();
    let mut file = tiff(1);
    let at = file.windows(2).position(|tag| tag == 339u16.to_le_bytes()).unwrap();
    file[at..at + 2].copy_from_slice(&256u16.to_le_bytes());
    let (image, probe) = (decode_any(&file, &limits).unwrap(), probe_header(&file, &limits).unwrap());
    assert_eq!((image.shape().height, image.shape().width), (2, 1));
    assert_eq!((probe.height, probe.width), (2, 1));
}

#[test]
fn what_no_decoder_takes_for_a_jpeg_is_not_verified_as_one() {
    let limits = Limits::default();
    let mut file = encode_jpeg(&ImageBuf::zeros(Shape::new(8, 8, 3)).unwrap(), 90).unwrap();
    verify_entropy(&file, &limits).unwrap();
    // Bytes between markers are passed over, but these are the first three, by which a JPEG is told.
    file.splice(2..2, [0x11, 0x26]);
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let error = verify_entropy(&file, &limits).unwrap_err();
    assert_eq!(decoder.decode(&file), Err(error.clone()));
    assert_eq!(probe_header(&file, &limits), Err(error));
}

#[test]
fn a_truncated_jpeg_of_sizes_between_is_an_error_and_no_panic() {
    let mut file = encode_jpeg(&ImageBuf::zeros(Shape::new(118, 37, 3)).unwrap(), 90).unwrap();
    let options = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options).unwrap();
    let frame = file.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let end = file.len() - 20;
    for (factors, is_decoded) in [([0x22, 0x11, 0x11], true), ([0x22, 0x43, 0x11], false), ([0x43, 0x22, 0x11], false)]
    {
        for (i, factors) in factors.into_iter().enumerate() {
            file[frame + 11 + 3 * i] = factors;
        }
        let decoded = decoder.decode(&file[..end]);
        assert_eq!(decoded.is_ok(), is_decoded, "{:?}", decoded.err());
    }
}

#[test]
fn a_length_of_at_least_none_is_printed_as_no_bound() {
    let feature = r#"{"kind": "int64", "required": true, "min_len": 0}"#;
    let text = format!(r#"{{"version": 1, "message": "Example", "features": {{"f": {feature}}}}}"#);
    let printed = Schema::parse(&text).unwrap().to_pbtxt();
    assert!(!printed.contains("value_count"), "{printed}");
    assert_eq!(Schema::parse_pbtxt(&printed).unwrap().to_pbtxt(), printed);
}

/// A gzip member of one record.
fn member(payload: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(GzEncoder::new(Vec::new(), Level::default()));
    writer.write(payload).unwrap();
    writer.finish().unwrap().finish().unwrap()
}

/// After a whole member and a damaged one, beginnings of members that all run on to the end, where each is damaged: to look
/// at each takes time with the square of their number.
fn members_that_go_on_and_on() -> Vec<u8> {
    const PERIOD: usize = 60_000;
    let stored = |len: usize| [&[0][..], &(len as u16).to_le_bytes(), &(!len as u16).to_le_bytes()].concat();
    let mut chains = Vec::new();
    for period in 1..=2 {
        chains.extend(stored(PERIOD - 5));
        while chains.len() + 16 < period * PERIOD {
            let left = period * PERIOD - (chains.len() + 15);
            chains.extend(b"\x1f\x8b\x08\0\0\0\0\0\0\xff");
            chains.extend(stored(left));
        }
        chains.resize(period * PERIOD, b'x');
    }
    let mut damaged = member(&(0..2000).map(|i| (i * i % 251) as u8).collect::<Vec<u8>>());
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xff);
    [member(b"one"), damaged, chains, vec![0xff; 30]].concat()
}

#[test]
fn a_search_for_gzip_members_that_would_take_for_ever_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.tfrecord.gz");
    let file = members_that_go_on_and_on();
    let report = repair_stream(&file[..], &out, &Default::default(), &Job::default()).unwrap();
    assert_eq!(report.records, 1);
    assert!(report.lost.iter().any(|lost| lost.reason.contains("given up")), "{:?}", report.lost);
}

#[test]
fn no_sampling_factors_of_a_truncated_jpeg_panic() {
    let mut file = include_bytes!("../fixtures/images/progressive.jpg").to_vec();
    let options = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options).unwrap();
    let frame = file.windows(2).position(|two| two == [0xff, 0xc2]).unwrap();
    file[frame + 5..frame + 9].copy_from_slice(&[0, 3, 0, 6]);
    let end = file.len() - 4;
    let factors = || (0..16u8).map(|i| (1 + i / 4) << 4 | (1 + i % 4));
    let mut decoded = 0;
    for luma in factors() {
        for blue in factors() {
            for red in factors() {
                [file[frame + 11], file[frame + 14], file[frame + 17]] = [luma, blue, red];
                decoded += u32::from(decoder.decode(&file[..end]).is_ok());
            }
        }
    }
    assert!((30..4096).contains(&decoded), "{decoded} decoded");
}
