//! Sums of what a JPEG is decoded to, in all ways for which TensorFlow's are known.

use sha2::{Digest, Sha256};
use tfrkit::image::{Channels, Dct, DecodeOptions, Decoder, ImageBuf, Scale};

/// Decoders for three channels and for one, each with the fast and with the accurate transform.
pub struct Decoders([Decoder; 4]);

impl Decoders {
    pub fn new() -> Self {
        let options = |channels, dct| DecodeOptions { channels, dct, ..DecodeOptions::default() };
        let decoder = |channels, dct| Decoder::new(options(channels, dct)).unwrap();
        let [rgb, gray] = [Channels::Rgb, Channels::Gray].map(|c| [Dct::Ifast, Dct::Islow].map(|dct| decoder(c, dct)));
        let ([a, b], [c, d]) = (rgb, gray);
        Self([a, b, c, d])
    }

    /// The file's sum, those of its pixels by each decoder, and those of three channels at a half, a quarter and an eighth;
    /// `refused` where there are none.
    pub fn sums(&mut self, file: &[u8]) -> Vec<String> {
        let mut all = vec![sum(file)];
        let mut image = ImageBuf::empty();
        for decoder in &mut self.0 {
            let decoded = decoder.decode_into(file, &mut image);
            all.push(decoded.map_or("refused".to_owned(), |()| sum(image.pixels())));
        }
        for scale in [Scale::Half, Scale::Quarter, Scale::Eighth] {
            let decoded = self.0[0].decode_scaled(file, scale, None, &mut image);
            all.push(decoded.map_or("refused".to_owned(), |()| sum(image.pixels())));
        }
        all
    }
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
