//! The drawing of a sheet: images in cells, text under them.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Point, Size};
use embedded_graphics::text::{Baseline, Text};

use crate::error::{Error, Result};
use crate::image::ops::Level;
use crate::image::{ImageBuf, Method, Resizer, Shape};
use crate::inspect::boxes::BoxMark;

const GAP: usize = 8;
const BACKGROUND: Rgb888 = Rgb888::new(250, 250, 248);
const INK: Rgb888 = Rgb888::new(40, 40, 40);
const SOFT_INK: Rgb888 = Rgb888::new(96, 96, 96);
/// Boxes, and the shade that sets them off.
const BOX: Rgb888 = Rgb888::new(255, 210, 63);
const BOX_SHADE: Rgb888 = Rgb888::new(24, 24, 24);
/// Boxes drawn on an image.
pub(super) const MOST_BOXES: usize = 32;
/// Characters of a class on a box.
const BOX_CHARS: usize = 14;
const TITLE: &MonoFont<'_> = &FONT_7X13_BOLD;
const SMALL: &MonoFont<'_> = &FONT_6X10;
/// Lines of text are this much apart, beyond their height.
const LEADING: usize = 2;
/// Images smaller than this share of a cell are enlarged by whole pixels.
const TINY: usize = 2;
/// Sheets beyond this many pixels are refused.
const MOST_PIXELS: usize = 1 << 28;

/// An image and the lines under it.
pub(super) struct Cell {
    /// RGB, as [`Fitter::fit`] gives it.
    pub(super) image: ImageBuf<u8>,
    pub(super) caption: Vec<String>,
    pub(super) boxes: Vec<BoxMark>,
}

/// Makes images as large as fits into a cell.
pub(in crate::inspect) struct Fitter {
    /// The side of a cell.
    cell: usize,
    resizer: Resizer,
    fitted: ImageBuf<f32>,
}

impl Fitter {
    pub(in crate::inspect) fn new(cell: usize) -> Self {
        Fitter { cell, resizer: Resizer::new(), fitted: ImageBuf::empty() }
    }

    /// The image, levels of one or three channels, as RGB in the size it is shown in.
    pub(in crate::inspect) fn fit(&mut self, image: &ImageBuf<f32>) -> Result<ImageBuf<u8>> {
        let shape = image.shape();
        let longer = shape.height.max(shape.width).max(1);
        let side = |own: usize| (own * self.cell / longer).max(1);
        let (height, width) = (side(shape.height), side(shape.width));
        let method = if longer * TINY <= self.cell { Method::Nearest } else { Method::Bilinear };
        self.resizer.resize_with(image, (height, width), method, true, &mut self.fitted)?;
        let mut out = ImageBuf::zeros(Shape::new(height, width, 3))?;
        let pixels = self.fitted.pixels().chunks_exact(shape.channels);
        for (out, pixel) in out.pixels_mut().as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
            // Gray stands for all three channels.
            *out = std::array::from_fn(|c| u8::round(pixel[c % pixel.len()]));
        }
        Ok(out)
    }
}

/// Fails where a sheet of so many cells is too large, whatever is written under them.
pub(super) fn check_size(rows: usize, columns: usize, cell: usize) -> Result<()> {
    check_pixels(rows * (cell + GAP), columns * (cell + GAP))
}

fn check_pixels(height: usize, width: usize) -> Result<()> {
    match height.checked_mul(width) {
        Some(pixels) if pixels <= MOST_PIXELS => Ok(()),
        _ => Err(Error::usage_hint(
            format!("a sheet of {height} x {width} pixels is too large"),
            "show fewer samples or versions, or smaller cells",
        )),
    }
}

/// Rows of cells under a row of titles.
pub(super) struct Sheet {
    pub(super) titles: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The side of a cell.
    pub(super) cell: usize,
}

impl Sheet {
    pub(super) fn draw(&self) -> Result<ImageBuf<u8>> {
        let chars = self.cell / SMALL.character_size.width as usize;
        let texts: Vec<Vec<Vec<String>>> =
            self.rows.iter().map(|row| row.iter().map(|cell| wrap(&cell.caption, chars)).collect()).collect();
        let line = SMALL.character_size.height as usize + LEADING;
        let lines = |row: &Vec<Vec<String>>| row.iter().map(Vec::len).max().unwrap_or(0);
        let top = GAP + TITLE.character_size.height as usize + GAP;
        let heights: Vec<usize> = texts.iter().map(|row| self.cell + LEADING + lines(row) * line + GAP).collect();
        let width = GAP + self.titles.len() * (self.cell + GAP);
        let mut canvas = Canvas::new(top + heights.iter().sum::<usize>(), width)?;
        for (i, title) in self.titles.iter().enumerate() {
            canvas.text(title, TITLE, INK, GAP, GAP + i * (self.cell + GAP));
        }
        let mut y = top;
        for ((row, texts), height) in self.rows.iter().zip(&texts).zip(heights) {
            for (i, (cell, text)) in row.iter().zip(texts).enumerate() {
                let x = GAP + i * (self.cell + GAP);
                let corner = canvas.place(&cell.image, self.cell, y, x);
                let Shape { height, width, .. } = cell.image.shape();
                cell.boxes.iter().take(MOST_BOXES).for_each(|mark| canvas.frame(mark, corner, (height, width)));
                for (n, words) in text.iter().enumerate() {
                    // The first line under an original is its label.
                    let ink = if i == 0 && n == 0 { INK } else { SOFT_INK };
                    canvas.text(words, SMALL, ink, y + self.cell + LEADING + n * line, x);
                }
            }
            y += height;
        }
        Ok(canvas.pixels)
    }
}

/// Breaks lines at words so that none is longer than `chars`; what a line is broken from is indented.
fn wrap(lines: &[String], chars: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        let mut current = String::new();
        for word in line.split_whitespace() {
            let length = current.chars().count() + 1 + word.chars().count();
            if !current.trim().is_empty() && length > chars {
                out.push(std::mem::replace(&mut current, " ".to_owned()));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        out.push(current.chars().take(chars).collect());
    }
    out
}

/// Pixels to draw on.
struct Canvas {
    pixels: ImageBuf<u8>,
}

impl Canvas {
    fn new(height: usize, width: usize) -> Result<Self> {
        check_pixels(height, width)?;
        let mut pixels = ImageBuf::zeros(Shape::new(height, width, 3))?;
        let color = [BACKGROUND.r(), BACKGROUND.g(), BACKGROUND.b()];
        pixels.pixels_mut().as_chunks_mut::<3>().0.fill(color);
        Ok(Canvas { pixels })
    }

    fn text(&mut self, text: &str, font: &MonoFont<'_>, ink: Rgb888, y: usize, x: usize) {
        let at = Point::new(x as i32, y as i32);
        // A canvas draws without errors.
        let _ = Text::with_baseline(text, at, MonoTextStyle::new(font, ink), Baseline::Top).draw(self);
    }

    /// Draws a box of an image of this size at this corner, with its class inside, at the top.
    fn frame(&mut self, mark: &BoxMark, (top, left): (usize, usize), (height, width): (usize, usize)) {
        let place = |(from, to): (f32, f32), start: usize, side: usize| {
            let at = |part: f32| ((part * side as f32).round() as usize).min(side.saturating_sub(1));
            (start + at(from), start + at(to))
        };
        let ((y, bottom), (x, right)) = (place(mark.y, top, height), place(mark.x, left, width));
        // A dark line inside the bright one: one of them is seen on any image.
        for (inset, color) in [(0, BOX), (1, BOX_SHADE)] {
            let (y, x) = ((y + inset).min(bottom), (x + inset).min(right));
            let (bottom, right) = (bottom.saturating_sub(inset).max(y), right.saturating_sub(inset).max(x));
            let across = (x..=right).flat_map(|x| [(y, x), (bottom, x)]);
            let down = (y..=bottom).flat_map(|y| [(y, x), (y, right)]);
            across.chain(down).for_each(|(y, x)| self.put(y, x, color));
        }
        let chars = (left + width).saturating_sub(x + 3) / SMALL.character_size.width as usize;
        let name: String = mark.class.chars().take(chars.min(BOX_CHARS)).collect();
        let (tall, wide) =
            (SMALL.character_size.height as usize, name.chars().count() * SMALL.character_size.width as usize);
        if wide > 0 && y + 2 + tall <= top + height {
            (y + 2..y + 2 + tall).for_each(|y| (x + 2..x + 2 + wide).for_each(|x| self.put(y, x, BOX_SHADE)));
            self.text(&name, SMALL, BOX, y + 2, x + 2);
        }
    }

    fn put(&mut self, y: usize, x: usize, color: Rgb888) {
        let width = self.pixels.shape().width;
        let pixel =
            self.pixels.pixels_mut().get_mut((y * width + x) * 3..).and_then(|rest| rest.first_chunk_mut::<3>());
        if let Some(pixel) = pixel {
            *pixel = [color.r(), color.g(), color.b()];
        }
    }

    /// Puts a fitted image into the middle of the cell at `y`, `x`; where its corner came to lie.
    fn place(&mut self, image: &ImageBuf<u8>, cell: usize, y: usize, x: usize) -> (usize, usize) {
        let Shape { height, width, .. } = image.shape();
        let (top, left) = (y + (cell - height) / 2, x + (cell - width) / 2);
        let row_len = self.pixels.shape().row_len();
        for (row, values) in image.pixels().chunks_exact(width * 3).enumerate() {
            let start = (top + row) * row_len + left * 3;
            self.pixels.pixels_mut()[start..start + width * 3].copy_from_slice(values);
        }
        (top, left)
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        let Shape { height, width, .. } = self.pixels.shape();
        Size::new(width as u32, height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> std::result::Result<(), Infallible> {
        let Shape { height, width, .. } = self.pixels.shape();
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y))
                && x < width
                && y < height
            {
                self.put(y, x, color);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_words() {
        let lines = ["flip_left_right".to_owned(), "crop 12 30 and more words".to_owned(), String::new()];
        assert_eq!(wrap(&lines, 12), ["flip_left_ri", "crop 12 30", "  and more", "  words", ""]);
    }

    #[test]
    fn cells_stand_where_they_belong() {
        let shape = Shape::new(10, 20, 1);
        let image = Fitter::new(64).fit(&ImageBuf::from_pixels(shape, vec![200.0; 200]).unwrap()).unwrap();
        assert_eq!(image.shape(), Shape::new(32, 64, 3));
        let cell = |caption: &str| Cell { image: image.clone(), caption: vec![caption.to_owned()], boxes: Vec::new() };
        let sheet = Sheet {
            titles: vec!["original".to_owned(), "epoch 0".to_owned()],
            rows: vec![vec![cell("a label"), cell("crop")], vec![cell("b"), cell("")]],
            cell: 64,
        };
        let drawn = sheet.draw().unwrap();
        assert_eq!(drawn.shape().width, GAP + 2 * (64 + GAP));
        let pixel = |y: usize, x: usize| &drawn.pixels()[(y * drawn.shape().width + x) * 3..][..3];
        let top = GAP + 13 + GAP;
        assert_eq!(pixel(top + 32, GAP), [200, 200, 200], "the middle row of the first image");
        assert_eq!(pixel(top + 10, GAP), [250, 250, 248], "above it, the cell is empty");
        assert_eq!(pixel(top + 32, GAP + 64 + GAP + 63), [200, 200, 200]);
        let text_rows = top + 64..top + 64 + 12;
        let inked =
            text_rows.flat_map(|y| (GAP..GAP + 64).map(move |x| (y, x))).filter(|(y, x)| pixel(*y, *x)[0] < 100);
        assert!(inked.count() > 20, "the label is written");
    }

    #[test]
    fn boxes_are_framed_with_their_class_inside() {
        let image = ImageBuf::from_pixels(Shape::new(64, 64, 3), vec![200u8; 64 * 64 * 3]).unwrap();
        let mark = |class: &str| BoxMark { x: (0.25, 0.75), y: (0.5, 1.0), class: class.to_owned() };
        let draw = |class: &str| {
            let cell = Cell { image: image.clone(), caption: Vec::new(), boxes: vec![mark(class)] };
            Sheet { titles: vec!["original".to_owned()], rows: vec![vec![cell]], cell: 64 }.draw().unwrap()
        };
        let plain = draw("");
        let (top, width) = (GAP + 13 + GAP, plain.shape().width);
        let pixel = |drawn: &ImageBuf<u8>, y: usize, x: usize| drawn.pixels()[((top + y) * width + GAP + x) * 3];
        let frame = [(32, 16), (32, 48), (63, 16), (63, 48), (40, 16), (32, 30)];
        assert!(frame.iter().all(|&(y, x)| pixel(&plain, y, x) == BOX.r()));
        assert_eq!((pixel(&plain, 31, 30), pixel(&plain, 40, 30), pixel(&plain, 33, 30)), (200, 200, BOX_SHADE.r()));
        assert_ne!(draw("cat"), plain);
    }
}
