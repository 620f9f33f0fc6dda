//! Files that promise more pixels than their bytes can hold take no memory, and an outlier's memory is given back.

#[path = "common/allocations.rs"]
mod counter;
#[path = "common/golden.rs"]
mod golden;

use counter::peak;
use tfrkit::image::{
    DecodeOptions, Decoder, ImageBuf, ImageError, Limits, Orientation, Scale, Shape, decode_any, encode_png,
    probe_header, verify_entropy,
};

/// The side of a square image that is just within the limit on pixels.
const SIDE: u16 = 13_377;

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
}

/// A JPEG of components without subsampling and of these scans, with one code: an end of block, or of 2^14 and more blocks.
fn jpeg(frame: u8, side: u16, components: u8, scans: &[(&[u8], usize)]) -> Vec<u8> {
    let mut header = vec![8];
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.push(components);
    (1..=components).for_each(|id| header.extend([id, 0x11, 0]));
    let table = |class: u8, symbol: u8| {
        let mut body = vec![class << 4, 1];
        body.extend([0; 15]);
        body.push(symbol);
        segment(0xC4, &body)
    };
    let quantisers = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let run = if frame == 0xC2 { 0xE0 } else { 0 };
    let mut file = [b"\xff\xd8".to_vec(), quantisers, segment(frame, &header), table(0, 0), table(1, run)].concat();
    for (scan, len) in scans {
        file.extend(segment(0xDA, scan));
        file.extend(vec![0; *len]);
    }
    [file, b"\xff\xd9".to_vec()].concat()
}

/// DC of all components, then the rest of each.
const DC: &[u8] = &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0];

fn ac(component: u8) -> Vec<u8> {
    vec![1, component, 0, 1, 63, 0]
}

fn hollow_jpegs() -> Vec<(&'static str, Vec<u8>)> {
    let [one, two, three] = [1, 2, 3].map(ac);
    let blocks = usize::from(SIDE.div_ceil(8)).pow(2);
    // Enough for all blocks of a band.
    let band = blocks / 16_384 * 2 + 4;
    let alone = |id: u8| [1, id, 0, 0, 63, 0];
    vec![
        ("one scan of a band", jpeg(0xC2, SIDE, 3, &[(&one, 2)])),
        ("four components", jpeg(0xC2, SIDE, 4, &[(&one, 2)])),
        ("a whole scan of a band", jpeg(0xC2, SIDE, 3, &[(&one, band)])),
        ("bands of all", jpeg(0xC2, SIDE, 3, &[(&one, band), (&two, band), (&three, band)])),
        ("bands, then a short first scan", jpeg(0xC2, SIDE, 3, &[(&one, band), (&two, band), (&three, band), (DC, 9)])),
        ("a short first scan", jpeg(0xC2, SIDE, 3, &[(DC, 1000), (&one, band), (&two, band), (&three, band)])),
        ("one scan", jpeg(0xC0, SIDE, 3, &[(&[3, 1, 0, 2, 0, 3, 0, 0, 63, 0], 1000)])),
        ("gray", jpeg(0xC0, SIDE, 1, &[(&alone(1), 1000)])),
        ("a whole scan of three", jpeg(0xC0, SIDE, 3, &[(&alone(1), blocks / 4 + 1), (&alone(2), 9), (&alone(3), 9)])),
    ]
}

fn others() -> Vec<(&'static str, Vec<u8>)> {
    let side = SIDE.to_le_bytes();
    let wide = u32::from(SIDE).to_le_bytes();
    let gif = |descriptor: &[u8]| {
        [b"GIF89a", &side[..], &side, b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0", descriptor, b"\0\x02\x02\x44\x01\0;"]
            .concat()
    };
    let bmp = |bits: u8, compression: u8, data: &[u8]| {
        let mut file = b"BM\0\0\0\0\0\0\0\0\x36\x04\0\0\x28\0\0\0".to_vec();
        file.extend([wide, wide].concat());
        file.extend([1, 0, bits, 0, compression, 0, 0, 0]);
        file.extend([0; 20]);
        file.extend([0; 1024]);
        [&file[..], data].concat()
    };
    let webp = |chunks: &[(&[u8], &[u8])]| {
        let body: Vec<u8> =
            chunks.iter().flat_map(|(kind, data)| [*kind, &(data.len() as u32).to_le_bytes(), data].concat()).collect();
        [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &body].concat()
    };
    let lossy = [b"\x10\x02\0\x9d\x01\x2a", &side[..], &side, &[0; 30]].concat();
    let extended = [&[0, 0, 0, 0], &wide[..3], &wide[..3]].concat();
    let extended: Vec<u8> =
        extended.iter().enumerate().map(|(i, v)| if i == 4 || i == 7 { v - 1 } else { *v }).collect();
    let tiff = |compression: u16| {
        let entry = |tag: u16, kind: u16, value: u32| {
            [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat()
        };
        let entries = [
            entry(256, 4, SIDE.into()),
            entry(257, 4, SIDE.into()),
            entry(258, 3, 8),
            entry(259, 3, compression.into()),
            entry(262, 3, 1),
            entry(273, 4, 130),
            entry(277, 3, 1),
            entry(278, 4, SIDE.into()),
            entry(279, 4, 60),
        ];
        [b"II*\0\x08\0\0\0\x09\0", &entries.concat()[..], &[0; 4], &[0; 70]].concat()
    };
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    };
    let side_be = u32::from(SIDE).to_be_bytes();
    let header = chunk(b"IHDR", &[&side_be[..], &side_be, &[8, 6, 0, 0, 0]].concat());
    let png = [b"\x89PNG\r\n\x1a\n", &header[..], &chunk(b"IDAT", &[0x78, 1, 3, 0, 0, 0, 0, 1]), &chunk(b"IEND", b"")];
    vec![
        ("GIF of a small frame", gif(b"\x01\0\x01\0")),
        ("GIF of a whole frame", gif(&[side, side].concat())),
        ("BMP", bmp(24, 0, &[0; 100])),
        ("BMP with alpha", bmp(32, 0, &[0; 100])),
        ("BMP of runs", bmp(8, 1, &[0, 1])),
        ("WebP", webp(&[(b"VP8 ", &lossy)])),
        ("WebP with a header alone", webp(&[(b"VP8X", &extended)])),
        ("WebP of a frame", webp(&[(b"VP8X", &extended), (b"VP8 ", &lossy)])),
        ("TIFF", tiff(1)),
        ("TIFF of LZW", tiff(5)),
        ("TIFF of Deflate", tiff(8)),
        ("TIFF of runs", tiff(32_773)),
        ("PNG", png.concat()),
    ]
}

const MOST: usize = 1 << 20;

#[track_caller]
fn refused<T: std::fmt::Debug>(name: &str, how: &str, work: impl FnOnce() -> Result<T, ImageError>) {
    let (most, _, done) = peak(work);
    let error = done.expect_err(name);
    assert!(error.is_truncated(), "{name}, {how}: {error}");
    assert!(most < MOST, "{name}, {how}: {most} bytes for {error}");
}

/// An image of one colour takes a bit for each block, 2^14 blocks are ended by one code: these bytes can hold it.
fn flat(side: u16) -> Vec<u8> {
    let blocks = usize::from(side.div_ceil(8)).pow(2);
    jpeg(0xC2, side, 1, &[(&[1, 1, 0, 0, 0, 0], blocks.div_ceil(8)), (&ac(1), blocks / 16_384 * 2 + 4)])
}

#[test]
fn hollow_files_take_no_memory_and_outliers_give_theirs_back() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    for (name, file) in hollow_jpegs() {
        refused(name, "probe", || probe_header(&file, &limits));
        refused(name, "verify", || verify_entropy(&file, &limits));
        refused(name, "decode", || decoder.decode(&file));
        refused(name, "an eighth", || decoder.decode_scaled(&file, Scale::Eighth, None, &mut ImageBuf::empty()));
    }
    for (name, file) in others() {
        refused(name, "probe", || probe_header(&file, &limits));
        refused(name, "decode", || decode_any(&file, &limits));
        if name == "PNG" {
            refused(name, "strictly", || decoder.decode(&file));
        }
    }

    let (large, small) = (flat(3000), flat(80));
    let mut image = ImageBuf::empty();
    decoder.decode_into(&small, &mut image).unwrap();
    let (most, _, ()) = peak(|| drop(decoder.decode(&large).unwrap()));
    assert!(most > 2 * 3000 * 3000, "{most} bytes");
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let (_, kept, ()) = peak(|| {
        drop(decoder.decode(&large).unwrap());
        decoder.decode_into(&small, &mut image).unwrap();
    });
    assert!(kept < MOST, "{kept} bytes are kept");

    // The same where a PNG comes next, and for what turning and a PNG's samples took.
    let upright = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
    let png = |side| encode_png(&ImageBuf::zeros(Shape::new(side, side, 4)).unwrap()).unwrap();
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = [&large[..2], &segment(0xE1, exif), &large[2..]].concat();
    for (outlier, next) in [(&turned, &small), (&turned, &png(80)), (&png(3000), &small)] {
        let mut decoder = Decoder::new(upright).unwrap();
        let (_, kept, ()) = peak(|| {
            drop(decoder.decode(outlier).unwrap());
            drop(decoder.decode(next).unwrap());
        });
        assert!(kept < MOST, "{kept} bytes are kept");
    }
}
