//! JPEG by itself: the probe accepts whatever decodes, a region is the crop of the whole at every scale, nothing but an
//! error comes of the rest, and memory stays within the limits.
#![no_main]

use std::panic;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use tfrkit::image::ops::{Rect, crop_to_bounding_box};
use tfrkit::image::{
    Channels, Dct, DecodeOptions, Decoder, ImageBuf, ImageError, Limits, Orientation, Scale, Truncated, probe_header,
    probe_magic, verify_entropy,
};
use tfrkit_fuzz::{Noise, jpeg, memory};

const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_dim: 4096, max_bytes: 1 << 20 };
/// The image, what its scans are kept in, samples of a component, tables, the copy that is turned: the first two have a
/// limit each, and the rest of them are smaller than the image.
const MOST: usize = 4 << 20;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match seed % 3 {
        0 => fuzzer_mutate(data, size, max_size),
        _ => jpeg::mutate(&mut data[..max_size], size, seed),
    }
});

fuzz_target!(|data: &[u8]| {
    let _ = probe_magic(data);
    let mut noise = Noise::of(data);
    let (probed, held) = memory::peak(|| probe_header(data, &LIMITS));
    assert!(held < 1 << 20, "the probe held {held} bytes");
    let (verified, held) = memory::peak(|| verify_entropy(data, &LIMITS));
    assert!(held < MOST, "the walk held {held} bytes");
    if let Ok(verified) = &verified {
        assert_eq!(probed.as_ref(), Ok(verified), "the walk accepts what the probe does not");
    }
    let channels = if noise.one_in(4) { Channels::Gray } else { Channels::Rgb };
    let orientation = if noise.one_in(4) { Orientation::Apply } else { Orientation::Ignore };
    let truncated = if noise.one_in(4) { Truncated::Accept } else { Truncated::Refuse };
    let mut accepted = None;
    for dct in [Dct::Ifast, Dct::Islow] {
        let options = DecodeOptions { channels, truncated, dct, orientation, limits: LIMITS };
        let mut decoder = Decoder::new(options).expect("a decoder");
        let mut whole = ImageBuf::empty();
        let mut decode = || memory::peak(|| decoder.decode_into(data, &mut whole));
        let (decoded, held) = if truncated == Truncated::Accept { with_panics_caught(decode) } else { decode() };
        // The decoder of truncated files is another library's.
        assert!(held < MOST || truncated == Truncated::Accept, "decoding held {held} bytes");
        assert_eq!(*accepted.get_or_insert(decoded.is_ok()), decoded.is_ok(), "one transform decodes, one does not");
        if truncated == Truncated::Accept {
            continue;
        }
        match &decoded {
            // To gray, chroma is not decoded, so that its size does not matter; the probe answers for colour.
            Ok(()) if channels == Channels::Gray && probed.as_ref().is_err_and(is_of_fractions) => {}
            Ok(()) => {
                let probe = probed.as_ref().expect("the probe accepts what decodes");
                assert!(verified.is_ok(), "decoded what the walk refuses: {verified:?}");
                let size = probe.size(orientation);
                assert_eq!((whole.shape().height, whole.shape().width), size);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        for scale in [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth] {
            regions(&mut decoder, data, scale, decoded.is_ok(), &mut noise);
        }
    }
});

/// Without the hook that ends the process at a panic, even one that the crate catches: those of another library.
fn with_panics_caught<T>(work: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = work();
    panic::set_hook(hook);
    result
}

fn is_of_fractions(error: &ImageError) -> bool {
    error.to_string().contains("no whole fraction of the image's size")
}

fn regions(decoder: &mut Decoder, data: &[u8], scale: Scale, decodes: bool, noise: &mut Noise) {
    let (mut whole, mut region) = (ImageBuf::empty(), ImageBuf::empty());
    let scaled = decoder.decode_scaled(data, scale, None, &mut whole);
    assert_eq!(scaled.is_ok(), decodes, "{scale:?}: {scaled:?}");
    if scaled.is_err() {
        let corner = Rect::at((0, 0), (1, 1));
        assert!(decoder.decode_scaled(data, scale, Some(corner), &mut region).is_err(), "{scale:?}");
        return;
    }
    let (height, width) = (whole.shape().height, whole.shape().width);
    let (y, x) = (noise.below(height), noise.below(width));
    let rect = Rect::at((y, x), (1 + noise.below(height - y), 1 + noise.below(width - x)));
    decoder.decode_scaled(data, scale, Some(rect), &mut region).expect("a region of what decodes");
    crop_to_bounding_box(&mut whole, rect).expect("a rectangle inside");
    assert!(region == whole, "{rect:?} at {scale:?}");
}
