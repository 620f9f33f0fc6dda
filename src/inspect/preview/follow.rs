//! Boxes through an op list: where they lie on what becomes of their image.

use crate::image::Shape;
use crate::image::ops::central_crop_rect;
use crate::inspect::boxes::BoxMark;
use crate::pipeline::{Draw, Op, OpSpec};

/// The first op that moves pixels in a way that boxes are not followed through.
pub(super) fn obstacle(ops: &[OpSpec]) -> Option<&'static str> {
    ops.iter().map(|spec| &spec.op).find(|op| !moves_known(op) && !keeps_places(op)).map(Op::name)
}

/// Whether [`follow`] knows where the op moves pixels.
fn moves_known(op: &Op) -> bool {
    match op {
        Op::Resize { crop_to_aspect_ratio, .. } => !crop_to_aspect_ratio,
        Op::FlipLeftRight
        | Op::FlipUpDown
        | Op::RandomFlipLeftRight
        | Op::RandomFlipUpDown
        | Op::Rot90 { .. }
        | Op::Transpose
        | Op::CentralCrop { .. }
        | Op::CropToBoundingBox { .. }
        | Op::PadToBoundingBox { .. }
        | Op::RandomCrop { .. }
        | Op::RandomResizedCrop { .. } => true,
        _ => false,
    }
}

/// Whether every pixel stays where it is.
fn keeps_places(op: &Op) -> bool {
    match op {
        Op::AdjustBrightness { .. }
        | Op::AdjustContrast { .. }
        | Op::AdjustSaturation { .. }
        | Op::AdjustHue { .. }
        | Op::AdjustGamma { .. }
        | Op::AdjustJpegQuality { .. }
        | Op::RgbToGrayscale
        | Op::GrayscaleToRgb
        | Op::Posterize { .. }
        | Op::Solarize { .. }
        | Op::Equalize
        | Op::Autocontrast
        | Op::Invert
        | Op::Sharpness { .. }
        | Op::GaussianBlur { .. }
        | Op::RandomBrightness { .. }
        | Op::RandomContrast { .. }
        | Op::RandomSaturation { .. }
        | Op::RandomHue { .. }
        | Op::RandomJpegQuality { .. }
        | Op::RandomErasing { .. }
        | Op::Cutout { .. }
        | Op::GaussianNoise { .. }
        | Op::SaltAndPepper { .. }
        | Op::PerImageStandardization
        | Op::ConvertImageDtype { .. }
        | Op::Normalize { .. } => true,
        Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => ops.iter().all(|spec| keeps_places(&spec.op)),
        _ => false,
    }
}

/// Sides of a box in pixels: from and to, down and across.
#[derive(Clone, Copy)]
struct Sides {
    y: (f64, f64),
    x: (f64, f64),
}

/// The boxes of an image of so many pixels after the ops of a list without an [`obstacle`], which have drawn these values;
/// what lies outside is cut off, and boxes wholly outside are left out.
pub(super) fn follow(ops: &[OpSpec], draws: &[Draw], shape: Shape, boxes: &[BoxMark]) -> Vec<BoxMark> {
    let mut size = (shape.height as f64, shape.width as f64);
    let mut sides: Vec<Sides> = (boxes.iter())
        .map(|mark| {
            let along = |(from, to): (f32, f32), side: f64| (f64::from(from) * side, f64::from(to) * side);
            Sides { y: along(mark.y, size.0), x: along(mark.x, size.1) }
        })
        .collect();
    // Each random op has one draw, in order; those within others keep places, and are none of these.
    let moving: Vec<&OpSpec> = ops.iter().filter(|spec| moves_known(&spec.op)).collect();
    let mut drawn = draws.iter().filter(|draw| moving.iter().any(|spec| spec.op.name() == draw.op));
    for spec in &moving {
        let draw = if spec.is_random() { drawn.next() } else { None };
        let value = |key: &str| draw.and_then(|draw| draw.values.get(key));
        if value("applied").is_some_and(|applied| applied == false) {
            continue;
        }
        let pair =
            |key: &str| -> Option<(f64, f64)> { Some((value(key)?.get(0)?.as_f64()?, value(key)?.get(1)?.as_f64()?)) };
        let pixels = |(height, width): (usize, usize)| (height as f64, width as f64);
        let flip = match &spec.op {
            Op::RandomFlipLeftRight | Op::RandomFlipUpDown => value("flip").is_some_and(|flip| flip == true),
            _ => true,
        };
        match &spec.op {
            Op::FlipLeftRight | Op::RandomFlipLeftRight if flip => {
                sides.iter_mut().for_each(|b| b.x = back(b.x, size.1))
            }
            Op::FlipUpDown | Op::RandomFlipUpDown if flip => sides.iter_mut().for_each(|b| b.y = back(b.y, size.0)),
            Op::Transpose => turn(&mut sides, &mut size),
            Op::Rot90 { k } => {
                // A quarter turn to the left: transposed, then upside down.
                for _ in 0..*k {
                    turn(&mut sides, &mut size);
                    sides.iter_mut().for_each(|b| b.y = back(b.y, size.0));
                }
            }
            Op::Resize { size: wanted, preserve_aspect_ratio, .. } => {
                let to = match preserve_aspect_ratio {
                    // Only parts of the sides are asked for, and their ratio stays.
                    true => size,
                    false => pixels(*wanted),
                };
                scale(&mut sides, &mut size, to);
            }
            Op::CentralCrop { central_fraction } => {
                let whole = Shape::new(size.0.round() as usize, size.1.round() as usize, 1);
                if let Ok(rect) = central_crop_rect(whole, *central_fraction) {
                    cut(&mut sides, &mut size, pixels((rect.y, rect.x)), pixels((rect.height, rect.width)));
                }
            }
            Op::CropToBoundingBox { offset, size: part } => cut(&mut sides, &mut size, pixels(*offset), pixels(*part)),
            Op::PadToBoundingBox { offset, size: whole } => {
                let (down, across) = pixels(*offset);
                cut(&mut sides, &mut size, (-down, -across), pixels(*whole));
            }
            Op::RandomCrop { size: part } => {
                if let Some(offset) = pair("offset") {
                    cut(&mut sides, &mut size, offset, pixels(*part));
                }
            }
            Op::RandomResizedCrop { size: wanted, .. } => {
                if let (Some(offset), Some(part)) = (pair("offset"), pair("size")) {
                    cut(&mut sides, &mut size, offset, part);
                    scale(&mut sides, &mut size, pixels(*wanted));
                }
            }
            _ => {}
        }
    }
    let part = |(from, to): (f64, f64), side: f64| {
        let at = |v: f64| (v / side.max(1.0)).clamp(0.0, 1.0) as f32;
        (at(from), at(to))
    };
    let mark = |(sides, mark): (&Sides, &BoxMark)| {
        let (y, x) = (part(sides.y, size.0), part(sides.x, size.1));
        let class = mark.class.clone();
        (y.0 < y.1 && x.0 < x.1).then_some(BoxMark { x, y, class })
    };
    sides.iter().zip(boxes).filter_map(mark).collect()
}

fn back((from, to): (f64, f64), side: f64) -> (f64, f64) {
    (side - to, side - from)
}

fn turn(sides: &mut [Sides], size: &mut (f64, f64)) {
    sides.iter_mut().for_each(|b| *b = Sides { y: b.x, x: b.y });
    *size = (size.1, size.0);
}

fn scale(sides: &mut [Sides], size: &mut (f64, f64), to: (f64, f64)) {
    let (down, across) = (to.0 / size.0.max(1.0), to.1 / size.1.max(1.0));
    for b in sides {
        *b = Sides { y: (b.y.0 * down, b.y.1 * down), x: (b.x.0 * across, b.x.1 * across) };
    }
    *size = to;
}

fn cut(sides: &mut [Sides], size: &mut (f64, f64), (top, left): (f64, f64), to: (f64, f64)) {
    for b in sides {
        // What is cut off does not come back with a later op that pads.
        let inside = |(from, back): (f64, f64), start: f64, side: f64| {
            ((from - start).clamp(0.0, side), (back - start).clamp(0.0, side))
        };
        *b = Sides { y: inside(b.y, top, to.0), x: inside(b.x, left, to.1) };
    }
    *size = to;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageBuf, encode_png};
    use crate::pipeline::{Executor, Mode, Pipeline, SampleKey};

    /// A black image with a white box.
    fn picture(height: usize, width: usize, mark: &BoxMark) -> Vec<u8> {
        let inside = |(from, to): (f32, f32), i: usize, side: usize| {
            let middle = (i as f32 + 0.5) / side as f32;
            from < middle && middle < to
        };
        let white = |i: usize| inside(mark.y, i / width, height) && inside(mark.x, i % width, width);
        let pixels = (0..height * width).flat_map(|i| [if white(i) { 255u8 } else { 0 }; 3]).collect();
        encode_png(&ImageBuf::from_pixels(Shape::new(height, width, 3), pixels).unwrap()).unwrap()
    }

    #[test]
    fn a_followed_box_lies_around_what_the_box_was_around() {
        let mark = BoxMark { x: (0.25, 0.5), y: (0.3, 0.8), class: "c".to_owned() };
        let (height, width) = (60, 80);
        let png = picture(height, width, &mark);
        let list = |ops: &str| {
            let tables = ops.split(';').map(|op| format!("[[train]]\nop = {}\n", op.trim().replace(", ", "\n")));
            Pipeline::parse(&tables.collect::<String>()).unwrap()
        };
        let lists = [
            "\"random_flip_left_right\"; \"random_flip_up_down\", p = 0.5; \"random_brightness\", max_delta = 0.1",
            "\"resize\", size = [30,120]; \"rot90\", k = 3; \"random_crop\", size = [90,20]",
            "\"random_resized_crop\", size = [50,50], area_range = [0.5,1.0]; \"random_flip_left_right\"",
            "\"central_crop\", central_fraction = 0.7; \"transpose\"; \"rot90\"; \"flip_up_down\"",
            "\"crop_to_bounding_box\", offset = [5,10], size = [50,60]; \"pad_to_bounding_box\", offset = [9,2], size = [70,90]",
        ];
        let mut partly = 0;
        for ops in lists {
            let pipeline = list(ops);
            let train = pipeline.train.as_deref().unwrap();
            assert_eq!(obstacle(train), None, "{ops}");
            let mut executor = Executor::new(&pipeline, Mode::Train).unwrap();
            for epoch in 0..12 {
                let mut draws = Vec::new();
                let image = executor.run(&png, SampleKey { seed: 3, ordinal: 1, epoch }, Some(&mut draws)).unwrap();
                let (image, marks) = (
                    image.into_f32(),
                    follow(train, &draws, Shape::new(height, width, 3), std::slice::from_ref(&mark)),
                );
                let Shape { height: h, width: w, .. } = image.shape();
                let white: Vec<(usize, usize)> =
                    (0..h * w).filter(|i| image.pixels()[i * 3] > 150.0).map(|i| (i / w, i % w)).collect();
                let [found] = &marks[..] else { panic!("{ops}, epoch {epoch}: {marks:?}, {} white", white.len()) };
                let range = |of: fn(&(usize, usize)) -> usize| {
                    (white.iter().map(of).min().unwrap() as f32, white.iter().map(of).max().unwrap() as f32 + 1.0)
                };
                let near = |found: (f32, f32), real: (f32, f32), side: usize| {
                    (found.0 * side as f32 - real.0).abs() <= 1.5 && (found.1 * side as f32 - real.1).abs() <= 1.5
                };
                assert!(near(found.y, range(|p| p.0), h), "{ops}, epoch {epoch}: {found:?}");
                assert!(near(found.x, range(|p| p.1), w), "{ops}, epoch {epoch}: {found:?}");
                partly += usize::from(found.x.0 == 0.0 || found.y.1 == 1.0);
            }
        }
        assert!(partly > 0, "some crops cut into the box");
    }

    #[test]
    fn what_turns_by_an_angle_is_not_followed() {
        let of = |text: &str| obstacle(Pipeline::parse(text).unwrap().train.as_deref().unwrap());
        assert_eq!(
            of("[[train]]\nop = \"invert\"\n[[train]]\nop = \"random_rotation\"\nfactor = 0.1"),
            Some("random_rotation")
        );
        let within = |op: &str| {
            of(&format!("[[train]]\nop = \"one_of\"\n[[train.ops]]\nop = \"invert\"\n[[train.ops]]\nop = \"{op}\""))
        };
        assert_eq!((within("equalize"), within("flip_left_right")), (None, Some("one_of")));
    }

    #[test]
    fn a_box_outside_of_the_crop_is_gone() {
        let pipeline =
            Pipeline::parse("[[train]]\nop = \"crop_to_bounding_box\"\noffset = [0, 0]\nsize = [10, 10]").unwrap();
        let mark = BoxMark { x: (0.5, 1.0), y: (0.5, 1.0), class: String::new() };
        assert!(follow(pipeline.train.as_deref().unwrap(), &[], Shape::new(20, 20, 3), &[mark]).is_empty());
    }
}
