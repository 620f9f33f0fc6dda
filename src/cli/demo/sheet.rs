//! A contact sheet: originals, and augmented samples beside each.

use std::path::Path;

use tfrkit::image::{DecodeOptions, Decoder, Image, ImageBuf, Resizer, Shape, encode_png};
use tfrkit::pipeline::{Executor, Mode, Pipeline, SampleKey};
use tfrkit::{Error, Result};

use super::scenes::Class;

/// Pictures of each class, and augmented versions of each picture.
const ROWS_PER_CLASS: usize = 2;
const VERSIONS: usize = 5;
/// The side of a cell, and the space between cells, in pixels.
const CELL: usize = 160;
const GAP: usize = 6;
const BACKGROUND: u8 = 250;

/// Draws the sheet as a PNG. The pipeline's values are taken to run from -1 to 1.
pub(super) fn draw(images: &Path, pipeline: &Pipeline, seed: u64, out: &Path) -> Result<()> {
    let rows = Class::ALL.len() * ROWS_PER_CLASS;
    // The originals stand a little apart from the rest.
    let width = (VERSIONS + 1) * (CELL + GAP) + 3 * GAP;
    let shape = Shape::new(rows * (CELL + GAP) + GAP, width, 3);
    let mut sheet = Sheet { pixels: vec![BACKGROUND; shape.height * shape.row_len()], shape };
    let mut decoder = Decoder::new(DecodeOptions::default())?;
    let mut executor = Executor::new(pipeline, Mode::Train)?;
    for row in 0..rows {
        let class = Class::ALL[row / ROWS_PER_CLASS];
        let path = images.join(class.name()).join(format!("{:02}.jpg", row % ROWS_PER_CLASS));
        let bytes = std::fs::read(&path).map_err(|e| Error::from(e).at_path(&path))?;
        let y = GAP + row * (CELL + GAP);
        sheet.place(&Image::U8(decoder.decode(&bytes)?).into_f32(), y, GAP)?;
        for version in 0..VERSIONS {
            let key = SampleKey { seed, ordinal: row as u64, epoch: version as u32 };
            let mut sample = executor.run(&bytes, key, None)?.into_f32();
            sample.pixels_mut().iter_mut().for_each(|v| *v = *v * 127.5 + 127.5);
            sheet.place(&sample, y, 3 * GAP + (version + 1) * (CELL + GAP))?;
        }
    }
    let png = encode_png(&ImageBuf::from_pixels(sheet.shape, sheet.pixels)?)?;
    std::fs::write(out, png).map_err(|e| Error::from(e).at_path(out))
}

struct Sheet {
    shape: Shape,
    pixels: Vec<u8>,
}

impl Sheet {
    /// Puts an image into the cell at row `y`, column `x`: as large as fits, in the middle.
    fn place(&mut self, image: &ImageBuf<f32>, y: usize, x: usize) -> Result<()> {
        let shape = image.shape();
        let longer = shape.height.max(shape.width).max(1);
        let (height, width) = ((shape.height * CELL / longer).max(1), (shape.width * CELL / longer).max(1));
        let mut small = ImageBuf::empty();
        Resizer::new().resize(image, (height, width), &mut small)?;
        let (top, left) = (y + (CELL - height) / 2, x + (CELL - width) / 2);
        for (row, values) in small.pixels().chunks_exact(width * shape.channels).enumerate() {
            let start = (top + row) * self.shape.row_len() + left * 3;
            let cells = self.pixels[start..start + width * 3].chunks_exact_mut(3);
            for (cell, pixel) in cells.zip(values.chunks_exact(shape.channels)) {
                for (c, out) in cell.iter_mut().enumerate() {
                    // Gray stands for all three channels.
                    *out = pixel[c % shape.channels].round().clamp(0.0, 255.0) as u8;
                }
            }
        }
        Ok(())
    }
}
