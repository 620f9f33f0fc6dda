//! What the fuzz targets have found, a test for each find.

#[path = "common/allocations.rs"]
mod allocations;

use allocations::peak;
use tfrkit::example::Schema;
use tfrkit::image::{
    DecodeOptions, Decoder, ImageBuf, Limits, Shape, Truncated, decode_any, encode_jpeg, probe_header, verify_entropy,
};

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
