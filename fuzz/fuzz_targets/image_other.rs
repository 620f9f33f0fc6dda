//! PNG, GIF, BMP, WebP and TIFF: the probe accepts whatever decodes, and memory stays within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfrkit::image::{
    Channels, DecodeOptions, Decoder, Format, ImageBuf, Limits, Orientation, decode_any, probe_header, probe_magic,
    sniff,
};
use tfrkit_fuzz::{Noise, memory};

const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_dim: 4096, max_bytes: 1 << 20 };
/// What the decoders of the `image` crate hold beside the image: palettes, tables, a second copy; of a TIFF, every value of a
/// tag in 120 bytes; of a lossy WebP, room for the partition whose length it declares in 24 bits.
const MOST: usize = (8 << 20) + 120 * MAX_LEN + (16 << 20);
/// Most bytes of an input; see `run.sh`.
const MAX_LEN: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    if sniff(data) == Some(Format::Png) {
        with_checksums(&mut file);
    }
    let data = &file[..];
    let mut noise = Noise::of(data);
    let magic = probe_magic(data);
    let probed = probe_header(data, &LIMITS);
    if let Ok(probe) = &probed {
        let (format, header) = magic.expect("the magic of what the probe accepts");
        assert_eq!(format, probe.format);
        assert_eq!(header.map(|h| (h.height, h.width)), Some((probe.height, probe.width)));
    }
    let (decoded, held) = memory::peak(|| decode_any(data, &LIMITS));
    assert!(held < MOST, "decoding held {held} bytes");
    if let Ok(image) = &decoded {
        let probe = probed.as_ref().expect("the probe accepts what decodes");
        assert_eq!((image.shape().height, image.shape().width), (probe.height, probe.width));
    }
    let channels = if noise.one_in(3) { Channels::Gray } else { Channels::Rgb };
    let orientation = if noise.one_in(4) { Orientation::Apply } else { Orientation::Ignore };
    let options = DecodeOptions { channels, orientation, limits: LIMITS, ..DecodeOptions::default() };
    let mut image = ImageBuf::empty();
    let mut decoder = Decoder::new(options).expect("a decoder");
    let (strict, held) = memory::peak(|| decoder.decode_into(data, &mut image));
    assert!(held < MOST, "the strict decoder held {held} bytes");
    if strict.is_ok() {
        let probe = probed.as_ref().expect("the probe accepts what decodes");
        assert_eq!((image.shape().height, image.shape().width), probe.size(orientation));
        assert_eq!(image.shape().channels, channels.count());
    }
});

/// Gives every chunk of a PNG its checksum, without which no mutation would go further than the probe.
fn with_checksums(file: &mut [u8]) {
    let mut at = 8;
    while let Some(header) = file.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = at.saturating_add(8).saturating_add(u32::from_be_bytes(*header) as usize);
        if end.saturating_add(4) > file.len() {
            return;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&file[at + 4..end]);
        file[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
}
