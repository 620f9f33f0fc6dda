//! One op over its range.

use crate::error::{Error, Result};
use crate::image::Shape;
use crate::pipeline::{Mode, Op, OpSpec, Pipeline, Range};

/// One column of a sweep.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) title: String,
    /// The parameters, where neither the pipeline nor the op itself has any: an example.
    pub(super) note: Option<String>,
    pub(super) op: OpSpec,
}

/// Heights and widths of the images shown: the smallest of each, and the largest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    least: (usize, usize),
    most: (usize, usize),
}

impl Default for Sides {
    fn default() -> Self {
        Sides { least: (64, 64), most: (64, 64) }
    }
}

impl Sides {
    pub(super) fn of(shapes: &[Shape]) -> Option<Self> {
        let (heights, widths) = (shapes.iter().map(|s| s.height), shapes.iter().map(|s| s.width));
        Some(Sides { least: (heights.clone().min()?, widths.clone().min()?), most: (heights.max()?, widths.max()?) })
    }
}

/// An op with one of its parameters free: its key, from where to where it goes, the op for each value.
struct Family {
    key: &'static str,
    from: f32,
    to: f32,
    /// Whether values are whole numbers.
    whole: bool,
    make: Box<dyn Fn(f32) -> Op>,
}

/// The columns for an op: its values, or where it has none to go through, as many draws of it.
pub(super) fn steps(name: &str, pipeline: &Pipeline, count: usize, sides: Sides) -> Result<Vec<Step>> {
    if !Op::NAMES.contains(&name) {
        let hint = crate::pipeline::suggest(name, Op::NAMES);
        return Err(Error::usage_hint(format!("there is no op '{name}'"), hint));
    }
    let mut note = None;
    let spec = match find(pipeline.train.as_deref().unwrap_or_default(), name)
        .or_else(|| find(pipeline.eval.as_deref().unwrap_or_default(), name))
    {
        Some(spec) => spec.clone(),
        None => {
            note = example(name, sides);
            usual(name, note.as_deref())?
        }
    };
    if spec.op.is_batch() {
        return Err(Error::usage(format!("{name} works on whole batches: preview the pipeline that it is in")));
    }
    // What does not fit is told of the op that was asked for, not of the one that stands for it.
    Pipeline { train: Some(vec![spec.clone()]), ..pipeline.clone() }.output_shape(Mode::Train)?;
    if let Some(family) = family(&spec.op) {
        return Ok((0..count).map(|i| family.step(i as f32 / (count - 1).max(1) as f32)).collect());
    }
    let columns = if spec.is_random() { count } else { 1 };
    let title = |i| if spec.is_random() { format!("draw {i}") } else { name.to_owned() };
    let note = note.map(|note| format!("example: {}", note.replace('\n', ", ")));
    Ok((0..columns).map(|i| Step { title: title(i), note: note.clone(), op: spec.clone() }).collect())
}

/// The first op of this name in a list, or within an op of it.
fn find<'a>(ops: &'a [OpSpec], name: &str) -> Option<&'a OpSpec> {
    ops.iter().find_map(|spec| match &spec.op {
        op if op.name() == name => Some(spec),
        Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => find(ops, name),
        _ => None,
    })
}

/// Parameters that show what an op does which needs some, or whose own do nothing, on images of such sides.
fn example(name: &str, Sides { least, most }: Sides) -> Option<String> {
    let part = |(height, width): (usize, usize), share: f64| {
        let side = |side: usize| ((side as f64 * share) as usize).max(1);
        format!("[{}, {}]", side(height), side(width))
    };
    Some(match name {
        // Half as high as wide, in parts of the images' own sides: what is stretched is seen.
        "resize" | "resize_with_pad" => format!("size = [{}, {}]", (most.0 / 2).max(1), most.1),
        "resize_with_crop_or_pad" => {
            format!("size = [{}, {}]", (least.0 * 3 / 4).max(1), most.1 + (most.1 / 4).max(1))
        }
        "crop_to_bounding_box" => format!("offset = [{}, {}]\nsize = {}", least.0 / 8, least.1 / 8, part(least, 0.75)),
        "pad_to_bounding_box" => {
            format!("offset = [{}, {}]\nsize = {}", most.0 / 8, most.1 / 8, part((most.0 + 4, most.1 + 4), 1.25))
        }
        "crop_and_resize" => format!("box = [0.1, 0.1, 0.6, 0.6]\nsize = {}", part(most, 1.0)),
        "random_crop" => format!("size = {}", part(least, 0.75)),
        "random_resized_crop" => format!("size = {}", part(least, 1.0)),
        "affine_transform" => "transform = [1.0, 0.25, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]".to_owned(),
        "random_affine" => "rotation = 0.1\nzoom = 0.2\ntranslation = 0.1\nshear = 0.1".to_owned(),
        "cutout" => format!("size = {}", part(least, 0.34)),
        _ => return None,
    })
}

/// The op with usual parameters, or those of an example.
fn usual(name: &str, example: Option<&str>) -> Result<OpSpec> {
    // Those that have no defaults. What a family makes free may be anything.
    let parameters = example.unwrap_or(match name {
        "central_crop" => "central_fraction = 1.0",
        "adjust_brightness" | "adjust_hue" => "delta = 0.0",
        "adjust_contrast" => "contrast_factor = 1.0",
        "adjust_saturation" => "saturation_factor = 1.0",
        "adjust_jpeg_quality" => "jpeg_quality = 95",
        "posterize" => "bits = 8",
        "sharpness" => "factor = 1.0",
        "gaussian_blur" => "kernel_size = 33\nsigma = 1.0",
        "gaussian_noise" => "stddev = 0.0",
        "salt_and_pepper" => "amount = 0.0",
        "random_brightness" | "random_hue" => "max_delta = 0.5",
        "random_contrast" => "lower = 0.0\nupper = 2.0",
        "random_saturation" => "lower = 0.0\nupper = 3.0",
        "random_jpeg_quality" => "min_jpeg_quality = 5\nmax_jpeg_quality = 95",
        "random_rotation" | "random_zoom" | "random_translation" | "random_shear" => "factor = [0.0, 0.0]",
        _ => "",
    });
    let channels = if name == "grayscale_to_rgb" { 1 } else { 3 };
    let text = format!("[decode]\nchannels = {channels}\n[[train]]\nop = \"{name}\"\n{parameters}");
    let parsed = Pipeline::parse(&text);
    let spec =
        parsed.and_then(|p| p.train.and_then(|mut ops| ops.pop()).ok_or_else(|| Error::usage("the spec has no op")));
    spec.map_err(|e| {
        let hint = format!("put {name} with its parameters into a pipeline, and give that as --pipeline");
        Error::usage_hint(format!("{name} has no values of its own to show: {e}"), hint)
    })
}

/// The op's family, where it has one: all parameters but one are the op's own, and where that one is drawn, its range.
fn family(op: &Op) -> Option<Family> {
    fn family(key: &'static str, (from, to): (f32, f32), make: impl Fn(f32) -> Op + 'static) -> Option<Family> {
        Some(Family { key, from, to, whole: false, make: Box::new(make) })
    }
    fn whole(key: &'static str, ends: (f32, f32), make: impl Fn(usize) -> Op + 'static) -> Option<Family> {
        family(key, ends, move |value| make(value as usize)).map(|family| Family { whole: true, ..family })
    }
    fn only(value: f32) -> Range {
        Range { lower: value, upper: value }
    }
    // A range that holds one value shows nothing.
    let ends = |range: &Range, usual| if range.is_fixed() { usual } else { (range.lower, range.upper) };
    // An op with the parameter named by the arm replaced.
    macro_rules! with {
        ($variant:ident { $field:ident: $value:expr }) => {{
            let op = op.clone();
            move |value| {
                let mut op = op.clone();
                if let Op::$variant { $field, .. } = &mut op {
                    *$field = $value(value);
                }
                op
            }
        }};
    }
    let same = |value: f32| value;
    let number = |value: usize| value;
    match op {
        Op::CentralCrop { .. } => {
            family("central_fraction", (1.0, 0.2), with!(CentralCrop { central_fraction: f64::from }))
        }
        Op::Rot90 { .. } => whole("k", (0.0, 3.0), with!(Rot90 { k: number })),
        Op::AdjustBrightness { .. } => family("delta", (-0.5, 0.5), with!(AdjustBrightness { delta: same })),
        Op::AdjustContrast { .. } => {
            family("contrast_factor", (0.0, 2.0), with!(AdjustContrast { contrast_factor: same }))
        }
        Op::AdjustSaturation { .. } => {
            family("saturation_factor", (0.0, 3.0), with!(AdjustSaturation { saturation_factor: same }))
        }
        Op::AdjustHue { .. } => family("delta", (-0.5, 0.5), with!(AdjustHue { delta: same })),
        Op::AdjustGamma { .. } => family("gamma", (0.25, 4.0), with!(AdjustGamma { gamma: same })),
        Op::AdjustJpegQuality { .. } => {
            whole("jpeg_quality", (95.0, 5.0), with!(AdjustJpegQuality { jpeg_quality: number }))
        }
        Op::Posterize { .. } => whole("bits", (8.0, 1.0), with!(Posterize { bits: number })),
        Op::Solarize { .. } => family("threshold", (255.0, 0.0), with!(Solarize { threshold: same })),
        Op::Sharpness { factor } => family("factor", ends(factor, (0.0, 4.0)), with!(Sharpness { factor: only })),
        Op::GaussianBlur { sigma, .. } => family("sigma", ends(sigma, (0.5, 8.0)), with!(GaussianBlur { sigma: only })),
        Op::GaussianNoise { stddev } => {
            family("stddev", ends(stddev, (0.0, 0.25)), with!(GaussianNoise { stddev: only }))
        }
        Op::SaltAndPepper { .. } => family("amount", (0.0, 0.25), with!(SaltAndPepper { amount: same })),
        Op::RandomBrightness { max_delta } => {
            family("delta", (-max_delta, *max_delta), |delta| Op::AdjustBrightness { delta })
        }
        Op::RandomContrast { lower, upper } => {
            family("contrast_factor", (*lower, *upper), |contrast_factor| Op::AdjustContrast { contrast_factor })
        }
        Op::RandomSaturation { lower, upper } => family("saturation_factor", (*lower, *upper), |saturation_factor| {
            Op::AdjustSaturation { saturation_factor }
        }),
        Op::RandomHue { max_delta } => family("delta", (-max_delta, *max_delta), |delta| Op::AdjustHue { delta }),
        Op::RandomJpegQuality { min_jpeg_quality, max_jpeg_quality } => {
            let ends = (*max_jpeg_quality as f32, *min_jpeg_quality as f32);
            whole("jpeg_quality", ends, |jpeg_quality| Op::AdjustJpegQuality { jpeg_quality })
        }
        Op::RandomRotation { factor, .. } => {
            family("factor", ends(factor, (-0.25, 0.25)), with!(RandomRotation { factor: only }))
        }
        Op::RandomZoom { factor, .. } => {
            family("factor", ends(factor, (-0.5, 0.5)), with!(RandomZoom { factor: only }))
        }
        Op::RandomTranslation { factor, .. } => {
            family("factor", ends(factor, (-0.4, 0.4)), with!(RandomTranslation { factor: only }))
        }
        Op::RandomShear { factor, .. } => {
            family("factor", ends(factor, (-0.5, 0.5)), with!(RandomShear { factor: only }))
        }
        Op::RandAugment { .. } => family("magnitude", (0.0, 10.0), with!(RandAugment { magnitude: same })),
        _ => None,
    }
}

impl Family {
    /// The op at a share of the way.
    fn step(&self, share: f32) -> Step {
        let value = self.from + (self.to - self.from) * share;
        let value = if self.whole { value.round() } else { value };
        // No minus before a nought.
        let number = format!("{value:.4}").replace("-0.0000", "0.0000");
        let shown = number.trim_end_matches('0').trim_end_matches('.');
        Step { title: format!("{} {shown}", self.key), note: None, op: (self.make)(value).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageBuf;
    use crate::pipeline::{Executor, SampleKey};

    fn titles(steps: Vec<Step>) -> Vec<String> {
        steps.into_iter().map(|step| step.title).collect()
    }

    fn parse(train: &str) -> Pipeline {
        Pipeline::parse(train).unwrap()
    }

    /// Every value of every sweep is one that a spec may have: the ends are, and all between.
    #[test]
    fn sweeps_stay_in_range() {
        let swept: Vec<&str> = Op::NAMES
            .iter()
            .copied()
            .filter(|name| usual(name, None).is_ok_and(|spec| family(&spec.op).is_some()))
            .collect();
        assert_eq!(swept.len(), 24, "{swept:?}");
        for name in swept {
            for count in [1, 2, 7] {
                let steps = steps(name, &Pipeline::default(), count, Sides::default())
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(steps.len(), count);
                for step in steps {
                    assert!(!step.title.ends_with("-0"), "{}", step.title);
                    let pipeline = Pipeline { train: Some(vec![step.op]), ..Default::default() };
                    pipeline.output_shape(Mode::Train).unwrap_or_else(|e| panic!("{}: {e}", step.title));
                }
            }
        }
    }

    #[test]
    fn the_pipeline_gives_the_other_parameters() {
        let pipeline = parse(
            r#"
            [[train]]
            op = "random_rotation"
            factor = 0.5
            fill_mode = "constant"
            fill_value = 7.0
            [[train]]
            op = "gaussian_blur"
            kernel_size = 5
            sigma = [1.0, 3.0]
            p = 0.25
            [[train]]
            op = "one_of"
            [[train.ops]]
            op = "sharpness"
            factor = [1.0, 2.0]
            [[train.ops]]
            op = "some_of"
            num_ops = 1
            [[train.ops.ops]]
            op = "gaussian_noise"
            stddev = [0.1, 0.2]
            [[train.ops.ops]]
            op = "adjust_gamma"
            gain = 0.5
        "#,
        );
        let rotations = steps("random_rotation", &pipeline, 3, Sides::default()).unwrap();
        for (step, turns) in rotations.iter().zip([-0.5, 0.0, 0.5]) {
            let Op::RandomRotation { factor, fill_mode, fill_value, .. } = &step.op.op else { panic!("{step:?}") };
            assert_eq!((factor.lower, factor.upper, *fill_value), (turns, turns, 7.0));
            assert_eq!(*fill_mode, crate::image::ops::FillMode::Constant);
        }
        let blurs = steps("gaussian_blur", &pipeline, 3, Sides::default()).unwrap();
        for (step, pixels) in blurs.iter().zip([1.0, 2.0, 3.0]) {
            let sigma = Range { lower: pixels, upper: pixels };
            assert_eq!(step.op, Op::GaussianBlur { kernel_size: 5, sigma }.into(), "applied to all, whatever p is");
        }
        assert_eq!(
            titles(steps("sharpness", &pipeline, 3, Sides::default()).unwrap()),
            ["factor 1", "factor 1.5", "factor 2"]
        );
        assert_eq!(
            titles(steps("gaussian_noise", &pipeline, 2, Sides::default()).unwrap()),
            ["stddev 0.1", "stddev 0.2"]
        );
        let gammas = steps("adjust_gamma", &pipeline, 2, Sides::default()).unwrap();
        assert_eq!(gammas[1].op, Op::AdjustGamma { gamma: 4.0, gain: 0.5 }.into());
    }

    #[test]
    fn what_does_not_fit_is_told_of_the_op_asked_for() {
        let gray = parse("[decode]\nchannels = 1");
        let said = steps("random_hue", &gray, 3, Sides::default()).unwrap_err().to_string();
        assert!(said.contains("random_hue") && !said.contains("adjust_hue"), "{said}");
        assert_eq!(steps("grayscale_to_rgb", &gray, 3, Sides::default()).unwrap().len(), 1);
        assert!(steps("grayscale_to_rgb", &Pipeline::default(), 3, Sides::default()).is_err());
    }

    #[test]
    fn qualities_go_down_in_whole_numbers() {
        let expected = ["jpeg_quality 95", "jpeg_quality 50", "jpeg_quality 5"];
        for name in ["adjust_jpeg_quality", "random_jpeg_quality"] {
            assert_eq!(titles(steps(name, &Pipeline::default(), 3, Sides::default()).unwrap()), expected);
        }
    }

    #[test]
    fn the_pipeline_gives_the_range() {
        let pipeline = Pipeline::preset("basic").unwrap();
        assert_eq!(
            titles(steps("random_brightness", &pipeline, 3, Sides::default()).unwrap()),
            ["delta -0.2", "delta 0", "delta 0.2"]
        );
    }

    #[test]
    fn ops_without_values_are_drawn() {
        let pipeline = Pipeline::preset("basic").unwrap();
        assert_eq!(steps("random_crop", &pipeline, 4, Sides::default()).unwrap().len(), 4);
        assert_eq!(steps("equalize", &pipeline, 4, Sides::default()).unwrap().len(), 1);
        assert!(steps("one_of", &pipeline, 4, Sides::default()).err().unwrap().hint().unwrap().contains("--pipeline"));
        assert!(steps("equalise", &pipeline, 4, Sides::default()).err().unwrap().hint().unwrap().contains("equalize"));
        assert!(steps("mixup", &pipeline, 4, Sides::default()).is_err());
    }

    /// Every op that can be shown by itself changes something with what it is shown with, and says what that is.
    #[test]
    fn ops_that_need_sizes_or_do_nothing_of_themselves_are_shown_by_example() {
        let shape = Shape::new(40, 60, 3);
        let pixels: Vec<u8> = (0..40 * 60 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let sides = Sides::of(&[shape]).unwrap();
        let (mut shown, mut examples) = (0, 0);
        for name in
            Op::NAMES.iter().filter(|name| !matches!(**name, "grayscale_to_rgb" | "normalize" | "one_of" | "some_of"))
        {
            let Ok(steps) = steps(name, &Pipeline::default(), 3, sides) else {
                assert!(matches!(*name, "mixup" | "cutmix"), "{name} is not shown");
                continue;
            };
            shown += 1;
            examples += usize::from(steps[0].note.is_some());
            let changed = steps.into_iter().any(|step| {
                let pipeline = Pipeline { train: Some(vec![step.op]), ..Default::default() };
                let mut executor = Executor::new(&pipeline, Mode::Train).unwrap();
                (0..8).any(|epoch| {
                    let image = ImageBuf::from_pixels(shape, pixels.clone()).unwrap();
                    let key = SampleKey { epoch, ..Default::default() };
                    let result = executor.run_image(image.into(), key, None).unwrap();
                    result.shape() != shape
                        || result.into_f32().pixels().iter().zip(&pixels).any(|(a, b)| (*a - f32::from(*b)).abs() > 0.5)
                })
            });
            assert!(changed, "{name} does nothing");
        }
        assert!(shown > 40 && examples == 11, "{shown} {examples}");
    }
}
