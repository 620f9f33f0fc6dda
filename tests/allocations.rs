//! Nothing of this crate's own is allocated for an image when the buffers have grown.

#[path = "common/allocations.rs"]
mod counter;
#[path = "common/golden.rs"]
mod golden;

use counter::allocations;
use golden::{JPEGS, bytes};
use tfrkit::image::ops::Rect;
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Orientation, Scale};

#[test]
fn decoding_jpeg_allocates_nothing_for_an_image() {
    let files = JPEGS.map(|name| bytes(&format!("images/{name}")));
    let rect = Rect::at((1, 2), (9, 8));
    for orientation in [Orientation::Ignore, Orientation::Apply] {
        let options = DecodeOptions { orientation, ..DecodeOptions::default() };
        let mut decoder = Decoder::new(options).unwrap();
        let mut image = ImageBuf::empty();
        let mut all = |whole: bool| {
            for file in &files {
                if whole {
                    decoder.decode_into(file, &mut image).unwrap();
                }
                decoder.decode_region(file, rect, &mut image).unwrap();
                decoder.decode_scaled(file, Scale::Half, None, &mut image).unwrap();
            }
        };
        // libjpeg-turbo allocates for every image.
        let own = Decoder::decoder_name() == env!("CARGO_PKG_NAME");
        assert!(allocations(|| all(own)) > 0);
        // Two buffers change places as images are turned, until both have grown.
        all(own);
        assert_eq!(allocations(|| all(own)), 0, "{orientation:?}");
    }
}
